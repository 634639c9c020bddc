//! The desk where grants are given out: what signing in has in common at both providers.

use super::Ground;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// How long a code is good for, in seconds.
const CODE_S: u64 = 600;

/// What differs between providers.
#[derive(Clone, Debug)]
pub(crate) struct Customs {
    pub(crate) access_prefix: &'static str,
    pub(crate) refresh_prefix: &'static str,
    /// How long an access token is good for; for ever when `None`, and then there is no refresh.
    pub(crate) access_s: Option<u64>,
    pub(crate) refresh_s: Option<u64>,
    pub(crate) device_s: u64,
    pub(crate) interval_s: u64,
    /// Whether an address to return to must be exactly the known one, or may lie below it.
    pub(crate) is_redirect_exact: bool,
}

/// Why nothing is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Client,
    Code,
    Redirect,
    Verifier,
    Refresh,
    DeviceCode,
    Pending,
    SlowDown,
    Expired,
    Denied,
}

/// An application that people let act for them.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// A public one has none.
    pub(crate) secret: Option<String>,
    pub(crate) redirect_uri: String,
}

#[derive(Clone, Debug)]
struct Code {
    client: String,
    redirect_uri: String,
    login: String,
    scope: String,
    challenge: Option<String>,
    until_s: u64,
}

/// The decision about a device.
#[derive(Clone, Debug)]
enum Verdict {
    Pending,
    Approved(String),
    Denied,
}

/// A device that waits for a decision.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) code: String,
    pub(crate) user_code: String,
    pub(crate) interval_s: u64,
    client: String,
    scope: String,
    until_s: u64,
    polled_at_s: Option<u64>,
    verdict: Verdict,
}

#[derive(Clone, Debug)]
struct Refresh {
    client: String,
    login: String,
    scope: String,
    access: String,
    until_s: Option<u64>,
    is_of_device: bool,
}

/// What is given out.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) login: String,
    pub(crate) scope: String,
    pub(crate) access: String,
    pub(crate) expires_in_s: Option<u64>,
    pub(crate) refresh: Option<String>,
    pub(crate) refresh_expires_in_s: Option<u64>,
    /// The access token that dies of it.
    pub(crate) replaces: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) customs: Customs,
    pub(crate) clients: BTreeMap<String, Client>,
    /// Who sits at the browser and agrees to everything.
    pub(crate) signed_in: Option<String>,
    codes: BTreeMap<String, Code>,
    devices: Vec<Device>,
    refreshes: BTreeMap<String, Refresh>,
}

/// A question for a code.
pub(crate) struct Wish<'a> {
    pub(crate) client: &'a str,
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) scope: &'a str,
    pub(crate) challenge: Option<String>,
}

/// Who asks for a token.
#[derive(Clone, Copy)]
pub(crate) struct Applicant<'a> {
    pub(crate) client: &'a str,
    pub(crate) secret: Option<&'a str>,
}

impl Desk {
    pub(crate) fn new(customs: Customs) -> Self {
        Self {
            customs,
            clients: BTreeMap::new(),
            signed_in: None,
            codes: BTreeMap::new(),
            devices: Vec::new(),
            refreshes: BTreeMap::new(),
        }
    }

    fn authentic(&self, who: Applicant<'_>) -> Result<(), Trouble> {
        let client = self.clients.get(who.client).ok_or(Trouble::Client)?;
        let secret = client.secret.as_deref();
        let fits = secret.is_none() || secret == who.secret;
        fits.then_some(()).ok_or(Trouble::Client)
    }

    /// Where a client may be returned to.
    pub(crate) fn redirect(&self, client: &str, wish: Option<&str>) -> Result<String, Trouble> {
        let known = &self
            .clients
            .get(client)
            .ok_or(Trouble::Client)?
            .redirect_uri;
        let Some(wish) = wish else {
            return Ok(known.clone());
        };
        let is_below = wish.strip_prefix(known.as_str()).is_some_and(|rest| {
            rest.is_empty() || known.ends_with('/') || rest.starts_with(['/', '?'])
        });
        let fits = wish == known || (!self.customs.is_redirect_exact && is_below);
        fits.then(|| wish.to_owned()).ok_or(Trouble::Redirect)
    }

    /// Who sits at the browser agrees: the code, and where to take it.
    pub(crate) fn authorize(
        &mut self,
        ground: &Ground,
        wish: Wish<'_>,
    ) -> Result<(String, String), Trouble> {
        let redirect_uri = self.redirect(wish.client, wish.redirect_uri)?;
        let login = self.signed_in.clone().ok_or(Trouble::Denied)?;
        let code = ground.secret("", 40);
        let kept = Code {
            client: wish.client.to_owned(),
            redirect_uri: redirect_uri.clone(),
            login,
            scope: wish.scope.to_owned(),
            challenge: wish.challenge,
            until_s: ground.now_s() + CODE_S,
        };
        self.codes.insert(code.clone(), kept);
        Ok((code, redirect_uri))
    }

    /// A code becomes a grant, once.
    pub(crate) fn by_code(
        &mut self,
        ground: &Ground,
        who: Applicant<'_>,
        code: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
    ) -> Result<Grant, Trouble> {
        self.authentic(who)?;
        let kept = self.codes.remove(code).ok_or(Trouble::Code)?;
        if kept.client != who.client || kept.until_s <= ground.now_s() {
            return Err(Trouble::Code);
        }
        if redirect_uri.is_some_and(|uri| uri != kept.redirect_uri) {
            return Err(Trouble::Redirect);
        }
        if let Some(challenge) = kept.challenge {
            let digest = Sha256::digest(verifier.unwrap_or_default().as_bytes());
            if challenge != BASE64URL_NOPAD.encode(&digest) {
                return Err(Trouble::Verifier);
            }
        }
        Ok(self.grant(ground, who.client, &kept.login, &kept.scope, false))
    }

    /// A device asks to be let in.
    pub(crate) fn device(
        &mut self,
        ground: &Ground,
        client: &str,
        scope: &str,
    ) -> Result<Device, Trouble> {
        if !self.clients.contains_key(client) {
            return Err(Trouble::Client);
        }
        let letters = ground.secret("", 8).to_uppercase();
        let device = Device {
            code: ground.secret("", 40),
            user_code: format!("{}-{}", &letters[..4], &letters[4..]),
            interval_s: self.customs.interval_s,
            client: client.to_owned(),
            scope: scope.to_owned(),
            until_s: ground.now_s() + self.customs.device_s,
            polled_at_s: None,
            verdict: Verdict::Pending,
        };
        self.devices.push(device.clone());
        Ok(device)
    }

    /// A person approves or denies a device. Whether there was one.
    pub(crate) fn decide(&mut self, user_code: &str, login: Option<&str>) -> bool {
        let mut devices = self.devices.iter_mut();
        let device = devices.find(|device| device.user_code == user_code);
        if let Some(device) = device {
            let approved = login.map(|login| Verdict::Approved(login.to_owned()));
            device.verdict = approved.unwrap_or(Verdict::Denied);
            return true;
        }
        false
    }

    /// How many seconds a device must let pass by now.
    pub(crate) fn interval_s(&self, code: &str) -> u64 {
        let device = self.devices.iter().find(|device| device.code == code);
        device.map_or(self.customs.interval_s, |device| device.interval_s)
    }

    /// A device asks whether it was let in.
    pub(crate) fn by_device(
        &mut self,
        ground: &Ground,
        client: &str,
        code: &str,
    ) -> Result<Grant, Trouble> {
        let now_s = ground.now_s();
        let at = self
            .devices
            .iter()
            .position(|d| d.code == code && d.client == client);
        let at = at.ok_or(Trouble::DeviceCode)?;
        let device = &mut self.devices[at];
        if device.until_s <= now_s {
            return Err(Trouble::Expired);
        }
        let last_s = device.polled_at_s.replace(now_s);
        if last_s.is_some_and(|last_s| now_s < last_s + device.interval_s) {
            device.interval_s += 5;
            return Err(Trouble::SlowDown);
        }
        match device.verdict.clone() {
            Verdict::Pending => Err(Trouble::Pending),
            Verdict::Denied => Err(Trouble::Denied),
            Verdict::Approved(login) => {
                let device = self.devices.remove(at);
                Ok(self.grant(ground, client, &login, &device.scope, true))
            }
        }
    }

    /// A refresh token becomes a new pair; the old pair dies at once.
    pub(crate) fn by_refresh(
        &mut self,
        ground: &Ground,
        who: Applicant<'_>,
        refresh: &str,
    ) -> Result<Grant, Trouble> {
        let is_of_device = self.refreshes.get(refresh).is_some_and(|r| r.is_of_device);
        if !is_of_device {
            self.authentic(who)?;
        }
        let now_s = ground.now_s();
        let fits = |old: &Refresh| {
            old.client == who.client && old.until_s.is_none_or(|until_s| until_s > now_s)
        };
        if !self.refreshes.get(refresh).is_some_and(fits) {
            return Err(Trouble::Refresh);
        }
        let old = self.refreshes.remove(refresh).ok_or(Trouble::Refresh)?;
        let mut grant = self.grant(ground, who.client, &old.login, &old.scope, is_of_device);
        grant.replaces = Some(old.access);
        Ok(grant)
    }

    /// Takes back a grant of which one token is known; the access token that dies of it.
    pub(crate) fn revoke(&mut self, token: &str) -> Option<String> {
        let is_meant = |(refresh, kept): &(&String, &Refresh)| {
            refresh.as_str() == token || kept.access == token
        };
        let found = self.refreshes.iter().find(is_meant);
        let refresh = found.map(|(refresh, _)| refresh.clone())?;
        self.refreshes.remove(&refresh).map(|kept| kept.access)
    }

    /// The refresh tokens of what a person granted.
    pub(crate) fn refreshes_of(&self, login: &str) -> Vec<String> {
        let all = self.refreshes.iter();
        all.filter(|(_, kept)| kept.login == login)
            .map(|(refresh, _)| refresh.clone())
            .collect()
    }

    fn grant(
        &mut self,
        ground: &Ground,
        client: &str,
        login: &str,
        scope: &str,
        is_of_device: bool,
    ) -> Grant {
        let customs = &self.customs;
        let access = ground.secret(customs.access_prefix, 36);
        let refresh = customs
            .access_s
            .map(|_| ground.secret(customs.refresh_prefix, 64));
        let grant = Grant {
            login: login.to_owned(),
            scope: scope.to_owned(),
            access: access.clone(),
            expires_in_s: customs.access_s,
            refresh_expires_in_s: customs.refresh_s.filter(|_| refresh.is_some()),
            refresh: refresh.clone(),
            replaces: None,
        };
        if let Some(refresh) = refresh {
            let kept = Refresh {
                client: client.to_owned(),
                login: login.to_owned(),
                scope: scope.to_owned(),
                access,
                until_s: customs.refresh_s.map(|s| ground.now_s() + s),
                is_of_device,
            };
            self.refreshes.insert(refresh, kept);
        }
        grant
    }
}
