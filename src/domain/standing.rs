//! Whose a hook is that a repository has at its provider, as far as that is known.
//!
//! A hook's URL and the connections are all there is to tell it by. That no connection has the key
//! in a URL is never a reason to delete the hook by ourselves: another Hookherd may share our
//! address, and a store that was restored from a backup does not know its newest connections. So
//! everything here is for a person to decide on (ADR 31).

use super::connection::Connection;
use super::id::{HookId, HookKey};
use super::lifecycle::Desired;
use super::repo::{Instance, ProviderKind, Repository};
use data_encoding::HEXLOWER;
use std::fmt::{self, Write};
use std::str::FromStr;
use url::Url;

named! {
    /// Whose a hook is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Standing {
        /// A connection keeps it, maybe of another user: it has its key or its id. Also while the
        /// hook is being created, deleted, or in doubt.
        Kept = "kept",
        /// It has the form of our hooks and delivers to our address, and no connection has its key.
        Orphan = "orphan",
        /// It has the form of our hooks and delivers to another address, and no connection has its
        /// key: it is of a former address of ours, or of another Hookherd.
        OtherAddress = "other_address",
        /// It has the key of a connection to another repository: a copy of its hook.
        Misplaced = "misplaced",
        /// It was made by others, and delivers to the host that we have.
        SameReceiver = "same_receiver",
        /// It delivers elsewhere, and gets events that a connection of the caller gets, too. That
        /// is nothing wrong.
        SameEvents = "same_events",
        /// None of these.
        Unrelated = "unrelated",
    }
}

impl Standing {
    /// Whether it may be removed, adopted or replaced by a user who says so.
    pub const fn may_be_taken(self) -> bool {
        match self {
            Self::Orphan | Self::OtherAddress | Self::Misplaced | Self::SameReceiver => true,
            Self::Kept | Self::SameEvents | Self::Unrelated => false,
        }
    }

    /// Whether it was made by Hookherd, so that an answer to its last delivery means that a
    /// Hookherd still serves it.
    pub const fn is_of_hookherd(self) -> bool {
        match self {
            Self::Orphan | Self::OtherAddress => true,
            Self::Kept
            | Self::Misplaced
            | Self::SameReceiver
            | Self::SameEvents
            | Self::Unrelated => false,
        }
    }

    /// What it means, for people: a phrase.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Kept => "kept by a connection",
            Self::Orphan => "made by Hookherd, at this address, and no connection knows it",
            Self::OtherAddress => {
                "made by Hookherd, at another address: a former one, or another Hookherd's"
            }
            Self::Misplaced => "a copy of the webhook of a connection to another repository",
            Self::SameReceiver => "not made by Hookherd, and delivers to the same host",
            Self::SameEvents => "another receiver that gets the same events: nothing wrong",
            Self::Unrelated => "unrelated",
        }
    }
}

/// Where a hook's URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// It has the form of our hooks.
    Key {
        /// The key in it.
        key: HookKey,
        /// Whether the address before it is ours.
        is_here: bool,
    },
    /// To the host that we have, by another path.
    Host,
    /// Elsewhere.
    Elsewhere,
}

/// Where `url` leads, seen from our public address. A URL that cannot be read leads elsewhere.
pub fn lead(url: Option<&str>, public_url: &str) -> Lead {
    let Some(Ok(theirs)) = url.map(Url::parse) else {
        return Lead::Elsewhere;
    };
    let ours = Url::parse(public_url).ok();
    let is_our_host = ours
        .as_ref()
        .is_some_and(|ours| is_same_host(ours, &theirs));
    let mut path = segments(&theirs);
    if let Some(key) = take_key(&mut path) {
        let is_here = is_our_host && ours.is_some_and(|ours| segments(&ours) == path);
        return Lead::Key { key, is_here };
    }
    if is_our_host {
        Lead::Host
    } else {
        Lead::Elsewhere
    }
}

/// The same machine and port. HTTP and HTTPS on their usual ports count as one.
fn is_same_host(ours: &Url, theirs: &Url) -> bool {
    let port = |url: &Url| match url.port_or_known_default() {
        Some(80 | 443) | None => None,
        other => other,
    };
    let host = |url: &Url| {
        let host = url.host_str().map(|host| host.trim_end_matches('.'));
        host.map(str::to_ascii_lowercase)
    };
    host(ours).is_some() && host(ours) == host(theirs) && port(ours) == port(theirs)
}

fn segments(url: &Url) -> Vec<&str> {
    let parts = url.path().split('/');
    parts.filter(|part| !part.is_empty()).collect()
}

/// Takes the part that our hooks have off the end of a path.
fn take_key(path: &mut Vec<&str>) -> Option<HookKey> {
    let at = path.len().checked_sub(5)?;
    let ["api", "v2", "webhooks", provider, key] = path[at..] else {
        return None;
    };
    provider.parse::<ProviderKind>().ok()?;
    let key = key.parse().ok()?;
    path.truncate(at);
    Some(key)
}

/// What is known of a hook and its repository.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The hook.
    pub hook: HookId,
    /// Its URL.
    pub url: Option<&'a str>,
    /// Its events; none when it is switched off.
    pub events: &'a [String],
    /// The installation of the repository.
    pub instance: &'a Instance,
    /// The repository.
    pub repository: &'a Repository,
    /// Our public address.
    pub public_url: &'a str,
}

/// The connections that matter for a hook, of all users.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The one with the key in its URL.
    pub by_key: Option<&'a Connection>,
    /// Those to its repository.
    pub of_repository: &'a [Connection],
    /// The caller's to its repository.
    pub own: Option<&'a Connection>,
}

/// Whose the hook is.
pub fn judge(seen: &Seen<'_>, known: &Known<'_>) -> Standing {
    let has_id = |c: &Connection| {
        c.instance == *seen.instance
            && keeps_its_hook(c)
            && c.lifecycle.hook.id() == Some(seen.hook)
    };
    if known.of_repository.iter().any(has_id) {
        return Standing::Kept;
    }
    match (lead(seen.url, seen.public_url), known.by_key) {
        (Lead::Key { .. }, Some(c)) if keeps_its_hook(c) => {
            if is_to(c, seen) {
                Standing::Kept
            } else {
                Standing::Misplaced
            }
        }
        (Lead::Key { is_here: true, .. }, _) => Standing::Orphan,
        (Lead::Key { is_here: false, .. }, _) => Standing::OtherAddress,
        (Lead::Host, _) => Standing::SameReceiver,
        (Lead::Elsewhere, _) if known.own.is_some_and(|own| shares_events(own, seen.events)) => {
            Standing::SameEvents
        }
        (Lead::Elsewhere, _) => Standing::Unrelated,
    }
}

/// Whether the connection still answers for its hook. One that was disconnected without deleting
/// its hook does not.
fn keeps_its_hook(connection: &Connection) -> bool {
    match connection.lifecycle.desired {
        Desired::Active | Desired::Paused | Desired::Removed { delete_hook: true } => true,
        Desired::Removed { delete_hook: false } => false,
    }
}

/// Whether a connection is, or may be, to this repository. One that has not found its repository
/// yet may be, whatever its name is.
fn is_to(connection: &Connection, seen: &Seen<'_>) -> bool {
    connection.instance == *seen.instance
        && connection
            .repository
            .is_none_or(|id| id == seen.repository.id)
}

/// `*` is every event (GitHub).
fn shares_events(own: &Connection, events: &[String]) -> bool {
    let shares = |event: &String| event == "*" || own.events.contains(event);
    events.iter().any(shares)
}

/// Bytes of a fingerprint: it recognises, and need not resist an attack.
const FINGERPRINT_BYTES: usize = 16;

/// What a hook was when it was listed: its id and its URL. Before anything is done to a hook of
/// others, it must still have this. The URL itself is not stored: it may hold a secret of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// That of a hook.
    pub fn of(hook: HookId, url: Option<&str>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&hook.0.to_be_bytes());
        hasher.update(url.unwrap_or_default().as_bytes());
        let hash = hasher.finalize();
        let (first, _) = hash.as_bytes().split_at(FINGERPRINT_BYTES);
        Self(first.try_into().expect("it was cut to this length"))
    }

    /// Its bytes, as they are stored.
    pub const fn as_bytes(&self) -> &[u8; FINGERPRINT_BYTES] {
        &self.0
    }

    /// From bytes that were stored.
    pub const fn from_bytes(bytes: [u8; FINGERPRINT_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the fingerprint of a listed webhook")]
pub struct BadFingerprint;

impl FromStr for Fingerprint {
    type Err = BadFingerprint;
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(BadFingerprint)
    }
}

/// Longest URL that is shown.
const SHOWN_CHARS_MAX: usize = 300;

/// A hook's URL for people, without what may be a secret of others: names, queries and fragments
/// anywhere, and the path where it leads elsewhere.
pub fn shown(url: &str, public_url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else {
        return "(not a URL)".to_owned();
    };
    let mut text = format!(
        "{}://{}",
        parsed.scheme(),
        parsed.host_str().unwrap_or_default()
    );
    if let Some(port) = parsed.port() {
        // Writing to a text does not fail.
        let _ = write!(text, ":{port}");
    }
    match lead(Some(url), public_url) {
        Lead::Key { .. } | Lead::Host => text.push_str(parsed.path()),
        Lead::Elsewhere if parsed.path() == "/" => {}
        Lead::Elsewhere => text.push_str("/..."),
    }
    if parsed.query().is_some() {
        text.push_str("?...");
    }
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
