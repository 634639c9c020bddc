//! Answers that can be requested again with "only if changed": such a request costs nothing against
//! GitHub's limit. Bounded, per token, lost at a restart.

use super::budget::TokenKey;
use bytes::Bytes;
use parking_lot::Mutex;
use reqwest::Url;
use reqwest::header::{self, HeaderMap, HeaderValue};
use std::collections::{HashMap, VecDeque};

/// Most answers stored: with the largest size, 32 MiB.
const ANSWERS_MAX: usize = 1024;
/// Longest answer stored: a list of about twenty hooks.
const ANSWER_BYTES_MAX: usize = 32 << 10;

/// A stored answer.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) etag: HeaderValue,
    pub(super) link: Option<HeaderValue>,
    pub(super) body: Bytes,
}

type Key = (TokenKey, Url);

#[derive(Debug, Default)]
struct Shelf {
    answers: HashMap<Key, Kept>,
    /// In order of insertion.
    order: VecDeque<Key>,
}

/// The answers of one installation.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Shelf>);

impl Cache {
    pub(super) fn get(&self, key: TokenKey, url: &Url) -> Option<Kept> {
        let store = self.0.lock();
        store.answers.get(&(key, url.clone())).cloned()
    }

    /// Stores an answer that has an `ETag` and is short enough.
    pub(super) fn keep(&self, key: TokenKey, url: &Url, headers: &HeaderMap, body: &Bytes) {
        let key = (key, url.clone());
        let mut store = self.0.lock();
        let etag = headers.get(header::ETAG).cloned();
        let Some(etag) = etag.filter(|_| body.len() <= ANSWER_BYTES_MAX) else {
            // The stored answer is outdated.
            if store.answers.remove(&key).is_some() {
                store.order.retain(|other| *other != key);
            }
            return;
        };
        let link = headers.get(header::LINK).cloned();
        let body = body.clone();
        let kept = Kept { etag, link, body };
        if store.answers.insert(key.clone(), kept).is_none() {
            store.order.push_back(key);
        }
        while store.answers.len() > ANSWERS_MAX {
            match store.order.pop_front() {
                Some(oldest) => store.answers.remove(&oldest),
                None => break,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::ProviderToken;

    #[test]
    fn it_keeps_short_answers_with_an_etag_and_no_more_than_it_may() {
        let cache = Cache::default();
        let key = TokenKey::of(&ProviderToken::new("t".into()).unwrap());
        let other = TokenKey::of(&ProviderToken::new("u".into()).unwrap());
        let url = |n: usize| Url::parse(&format!("http://h/{n}")).unwrap();
        let mut headers = HeaderMap::new();
        cache.keep(key, &url(0), &headers, &Bytes::new());
        assert!(cache.get(key, &url(0)).is_none());
        headers.insert(header::ETAG, HeaderValue::from_static("\"e\""));
        for n in 0..=ANSWERS_MAX {
            cache.keep(key, &url(n), &headers, &Bytes::from_static(b"[]"));
        }
        assert!(cache.get(key, &url(0)).is_none());
        assert!(cache.get(key, &url(1)).is_some());
        assert!(cache.get(other, &url(1)).is_none(), "another token's");
        let long = Bytes::from(vec![b' '; ANSWER_BYTES_MAX + 1]);
        cache.keep(key, &url(1), &headers, &long);
        assert!(cache.get(key, &url(1)).is_none());
        assert_eq!(cache.0.lock().order.len(), ANSWERS_MAX - 1);
    }
}
