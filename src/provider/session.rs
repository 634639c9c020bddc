//! One operation under way: the requests it makes, and whether any of them may have changed
//! something.

use super::budget::TokenKey;
use super::client::Client;
use super::dialect::{Asked, Dialect};
use super::errors;
use super::http::{Answer, NoAnswer, Request};
use super::{Access, ProviderError};
use crate::domain::secret::ProviderToken;
use reqwest::{Method, Url};

/// One operation under way.
pub(super) struct Session<'a, D> {
    client: &'a Client<D>,
    access: &'a Access,
    key: TokenKey,
    acted: bool,
}

impl<'a, D: Dialect> Session<'a, D> {
    pub(super) fn new(client: &'a Client<D>, access: &'a Access) -> Self {
        Self {
            client,
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

    /// What the dialect remembers.
    pub(super) const fn dialect(&self) -> &'a D {
        &self.client.dialect
    }

    /// Whose budget this is.
    pub(super) const fn token_key(&self) -> TokenKey {
        self.key
    }

    pub(super) fn url(&self, path: &str) -> Url {
        self.client.caller.http.url(path)
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
        let caller = &self.client.caller;
        let outcome = caller.send(request, is_repeatable, &mut acted).await;
        self.acted |= acted;
        let answer = outcome.map_err(|none| errors::of_no_answer(D::NAME, none, acted))?;
        let budget = &caller.http.budget;
        let now = self.client.clock.now();
        match D::limit(&answer, now) {
            Some(hold) => {
                let hold = budget.hold(self.key, hold);
                return Err(errors::rate_limited(D::NAME, hold));
            }
            None => {
                if let Some((remaining, reset_in)) = D::remaining(&answer, now) {
                    budget.note_remaining(self.key, remaining, reset_in);
                    let token = self.key.number();
                    caller.observer.quota_left(token, remaining, reset_in);
                }
            }
        }
        errors::of_any(D::NAME, &answer, acted).map_or(Ok(answer), Err)
    }

    /// Reads a list, following the pages that the provider names. All of it or an error: nothing is
    /// ever concluded from half a list.
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
                return Err(D::refusal(&answer, asked));
            }
            all.extend(errors::parse::<Vec<T>>(D::NAME, &answer)?);
            match D::next_page(&answer) {
                None => return Ok(all),
                Some(next) if self.client.caller.http.is_ours(&next) => url = next,
                Some(_) => {
                    let none = NoAnswer::BadRedirect;
                    return Err(errors::of_no_answer(D::NAME, none, false));
                }
            }
        }
        Err(errors::bad_answer(D::NAME, "a list without an end"))
    }

    /// The answer to a read of what the token owns.
    pub(super) async fn get_own(&mut self, path: &str) -> Result<Answer, ProviderError> {
        let answer = self.get(self.url(path)).await?;
        if answer.status.as_u16() == 200 {
            Ok(answer)
        } else {
            Err(D::refusal(&answer, Asked::Own))
        }
    }
}
