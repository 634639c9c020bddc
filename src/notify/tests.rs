//! What is called, and what is not: against servers on this machine and names of our own.

mod corpus;
mod digests;
mod echoed;
mod fakes;
mod hostile;
mod kinds;
mod mail;
mod markup;
mod messages;
mod proxied;
pub(super) mod samples;
mod sending;
mod server;
mod smtp;
mod texts;
mod tls;

use super::*;
use crate::domain::net::allowed::Allowed;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Names whose addresses change with each look-up; the last ones stay.
#[derive(Default)]
struct Zone {
    addresses: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Zone {
    fn add(&self, name: &str, answers: &[&[IpAddr]]) {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        self.addresses.lock().insert(name.to_owned(), answers);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock())
    }
}

impl Names for Zone {
    fn addresses<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        self.asked.lock().push(name.to_owned());
        let mut all = self.addresses.lock();
        let found = all.get_mut(name).map(|answers| match answers.len() {
            0 | 1 => answers.first().cloned().unwrap_or_default(),
            _ => answers.remove(0),
        });
        Box::pin(std::future::ready(found.ok_or(NotFound)))
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn list(entries: &[&str]) -> Allowed {
    Allowed::new(entries.iter().map(|text| text.parse().unwrap()).collect())
}

/// An outbound with this allow list and these names.
fn outbound(allowed: &Allowed, zone: &Arc<Zone>) -> Outbound {
    changed(allowed, zone, |_| ())
}

fn changed(allowed: &Allowed, zone: &Arc<Zone>, change: impl FnOnce(&mut Settings)) -> Outbound {
    let mut settings = Settings::new(allowed.clone());
    settings.names = Arc::clone(zone) as Arc<dyn Names>;
    settings.total_timeout = Duration::from_secs(10);
    change(&mut settings);
    Outbound::new(settings).unwrap()
}

/// A request that posts this body.
fn post(body: &'static str) -> Request {
    Request::new(
        reqwest::Method::POST,
        reqwest::header::HeaderMap::new(),
        body,
    )
}
