//! One operation under way: the requests it makes, and whether any of them may have changed
//! something.

use super::errors::{self, Asked};
use super::{Access, Github, ProviderError};
use crate::domain::secret::ProviderToken;
use crate::provider::budget::TokenKey;
use crate::provider::http::{Answer, NoAnswer, Request};
use reqwest::{Method, Url};

/// One operation under way.
pub(super) struct Session<'a> {
    github: &'a Github,
    access: &'a Access,
    key: TokenKey,
    acted: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(github: &'a Github, access: &'a Access) -> Self {
        Self {
            github,
            access,
            key: TokenKey::of(&access.token),
            acted: false,
        }
    }

    /// Whether a write of this operation was, or may have been, carried out.
    pub(super) const fn has_acted(&self) -> bool {
        self.acted
    }

    /// The token that it speaks with.
    pub(super) const fn token(&self) -> &ProviderToken {
        &self.access.token
    }

    pub(super) fn url(&self, path: &str) -> Url {
        self.github.caller.http.url(path)
    }

    pub(super) async fn get(&mut self, url: Url) -> Result<Answer, ProviderError> {
        self.send(Method::GET, url, None, true).await
    }

    /// A write that ends in the same state however often it is sent.
    pub(super) async fn put(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ProviderError> {
        let url = self.url(path);
        self.send(method, url, body, true).await
    }

    /// A write that is sent once.
    pub(super) async fn post(
        &mut self,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ProviderError> {
        let url = self.url(path);
        self.send(Method::POST, url, body, false).await
    }

    /// The answer, when it is one that only the operation itself can judge: anything but server
    /// errors, refused tokens and rate limits.
    async fn send(
        &mut self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        is_repeatable: bool,
    ) -> Result<Answer, ProviderError> {
        let request = || Request {
            method: method.clone(),
            url: url.clone(),
            token: &self.access.token,
            body: body.clone(),
        };
        let mut acted = false;
        let caller = &self.github.caller;
        let outcome = caller.send(request, is_repeatable, &mut acted).await;
        self.acted |= acted;
        let answer = outcome.map_err(|none| errors::of_no_answer(none, acted))?;
        let budget = &caller.http.budget;
        let now = self.github.clock.now();
        match errors::limit(&answer, now) {
            Some(hold) => {
                let hold = budget.hold(self.key, hold);
                return Err(errors::rate_limited(hold));
            }
            None => {
                if let Some((remaining, reset_in)) = errors::remaining(&answer, now) {
                    budget.note_remaining(self.key, remaining, reset_in);
                }
            }
        }
        errors::of_any(&answer, acted).map_or(Ok(answer), Err)
    }

    /// Reads the rest of a list, following the pages that `Link` names. All of it or an error:
    /// nothing is ever concluded from half a list.
    pub(super) async fn list<T: serde::de::DeserializeOwned>(
        &mut self,
        path: &str,
        asked: Asked<'_>,
    ) -> Result<Vec<T>, ProviderError> {
        /// Most pages of 100; GitHub Enterprise Server allows 250 hooks for each of some 70 events.
        const PAGES_MAX: usize = 200;
        let mut all = Vec::new();
        let mut url = self.url(path);
        for _ in 0..PAGES_MAX {
            let answer = self.get(url).await?;
            if !answer.status.is_success() {
                return Err(errors::refusal(&answer, asked));
            }
            all.extend(errors::parse::<Vec<T>>(&answer)?);
            match answer.next_page() {
                None => return Ok(all),
                Some(next) if self.github.caller.http.is_ours(&next) => url = next,
                Some(_) => return Err(errors::of_no_answer(NoAnswer::BadRedirect, false)),
            }
        }
        Err(errors::bad_answer("a list without an end"))
    }
}
