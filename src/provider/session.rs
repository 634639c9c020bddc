//! One running operation: the requests it makes, and whether any of them may have changed
//! something.

use super::budget::TokenKey;
use super::call::Caller;
use super::dialect::{Asked, Dialect};
use super::errors;
use super::http::{Answer, NoAnswer, Request, Tail, Tailed};
use super::outbound::{Access, ProviderError};
use super::unread::unread;
use crate::domain::explanation::Part;
use crate::domain::secret::ProviderToken;
use crate::domain::time::{Clock, Timestamp};
use reqwest::{Method, StatusCode, Url};

/// One running operation.
pub(super) struct Session<'a, D> {
    caller: &'a Caller,
    clock: &'a dyn Clock,
    dialect: &'a D,
    access: &'a Access,
    key: TokenKey,
    acted: bool,
    was_too_large: bool,
}

impl<'a, D> Session<'a, D> {
    pub(super) fn new(
        (caller, clock): (&'a Caller, &'a dyn Clock),
        dialect: &'a D,
        access: &'a Access,
    ) -> Self {
        Self {
            caller,
            clock,
            dialect,
            access,
            key: TokenKey::of(&access.token),
            acted: false,
            was_too_large: false,
        }
    }
}

impl<'a, D: Dialect> Session<'a, D> {
    /// The same with the budget of another key: for tokens that change with every call.
    pub(super) const fn within(mut self, key: TokenKey) -> Self {
        self.key = key;
        self
    }

    /// Whether a write of this operation was, or may have been, carried out.
    pub(super) const fn has_acted(&self) -> bool {
        self.acted
    }

    /// The token that it uses.
    pub(super) const fn token(&self) -> &ProviderToken {
        &self.access.token
    }

    /// The state of the dialect.
    pub(super) const fn dialect(&self) -> &'a D {
        self.dialect
    }

    /// The key of its budget.
    pub(super) const fn token_key(&self) -> TokenKey {
        self.key
    }

    pub(super) fn url(&self, path: &str) -> Url {
        self.caller.http.url(path)
    }

    pub(super) async fn get(&mut self, url: Url) -> Result<Answer, ProviderError> {
        self.send(Method::GET, url, None, true, None).await
    }

    /// Whether the provider says that the answer at this very URL still has this tag. Any other
    /// answer, and one of another place, is no.
    pub(super) async fn is_unchanged(
        &mut self,
        url: Url,
        tag: &str,
    ) -> Result<bool, ProviderError> {
        let answer = self
            .send(Method::GET, url.clone(), None, true, Some(tag))
            .await?;
        Ok(answer.status == StatusCode::NOT_MODIFIED && answer.url == url)
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The same; `None` when the answer is too large to be read.
    pub(super) async fn get_if_fits(&mut self, url: Url) -> Result<Option<Answer>, ProviderError> {
        let answer = self.send(Method::GET, url, None, true, None).await;
        let is_too_large = std::mem::take(&mut self.was_too_large);
        match answer {
            Err(_) if is_too_large => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// A write with the same end state however often it is sent.
    pub(super) async fn put(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ProviderError> {
        let url = self.url(path);
        self.send(method, url, body, true, None).await
    }

    /// A write that is sent once.
    pub(super) async fn post(
        &mut self,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ProviderError> {
        let url = self.url(path);
        self.send(Method::POST, url, body, false, None).await
    }

    /// The answer, when only the operation can interpret it: anything except server errors, refused
    /// tokens and rate limits.
    async fn send(
        &mut self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        is_repeatable: bool,
        unless: Option<&str>,
    ) -> Result<Answer, ProviderError> {
        let request = || Request {
            method: method.clone(),
            url: url.clone(),
            token: &self.access.token,
            key: self.key,
            errand: self.access.errand,
            is_probe: self.access.is_probe,
            body: body.clone(),
            unless,
        };
        let mut acted = false;
        let caller = self.caller;
        let outcome = caller.send(request, is_repeatable, &mut acted).await;
        self.acted |= acted;
        self.was_too_large = matches!(outcome, Err(NoAnswer::TooLong));
        let place = caller.http.place();
        let answer =
            outcome.map_err(|none| errors::of_no_answer(D::NAMING, &place, none, acted))?;
        self.note_limit(&url, &answer)?;
        errors::of_any(D::NAMING, &answer, acted).map_or(Ok(answer), Err)
    }

    /// The end of a text, such as a log, or why it is not given.
    pub(super) async fn tail(&mut self, url: Url) -> Result<Part<Tail>, ProviderError> {
        let request = Request {
            method: Method::GET,
            url: url.clone(),
            token: &self.access.token,
            key: self.key,
            errand: self.access.errand,
            is_probe: self.access.is_probe,
            body: None,
            unless: None,
        };
        let http = &self.caller.http;
        let tailed = http.tail(&request).await;
        let place = http.place();
        let tailed = tailed.map_err(|none| errors::of_no_answer(D::NAMING, &place, none, false))?;
        match tailed {
            Tailed::Text(tail) => Ok(tail),
            Tailed::Other(answer) => {
                self.note_limit(&url, &answer)?;
                let refused = answer.status == StatusCode::UNAUTHORIZED;
                let error = errors::of_any(D::NAMING, &answer, false).filter(|_| refused);
                error.map_or(Ok(Err(unread(answer.status.as_u16()))), Err)
            }
        }
    }

    /// Takes note of what an answer says of the provider's limits. An error when one is reached.
    fn note_limit(&self, url: &Url, answer: &Answer) -> Result<(), ProviderError> {
        let caller = self.caller;
        let budget = &caller.http.budget;
        let now = self.clock.now();
        match D::limit(url, answer, now) {
            Some(hold) => {
                let hold = budget.hold(self.key, hold);
                let mut error = errors::rate_limited(D::NAMING.name, hold);
                error.hold = Some(hold);
                return Err(error);
            }
            // The limit in the answer for a refused token is not that of the token but of our
            // address.
            None if answer.status == StatusCode::UNAUTHORIZED => {}
            None => {
                if let Some(left) = D::remaining(answer, now) {
                    budget.note_remaining(self.key, left);
                    caller.quota.note(self.key.number(), left);
                }
            }
        }
        Ok(())
    }

    /// Reads a list, page by page as long as the provider has more. All of it or an error: nothing
    /// is ever concluded from an incomplete list. Holds no place between two pages.
    ///
    /// `path` already has a query. With the provider's tag of the answer, if the list is one page.
    pub(super) async fn list<T: serde::de::DeserializeOwned>(
        &mut self,
        path: &str,
        asked: Asked<'_>,
    ) -> Result<(Vec<T>, Option<String>), ProviderError> {
        /// Longest tag that is kept; GitHub's have 68 bytes.
        const TAG_BYTES_MAX: usize = 200;
        /// Most pages of 100; GitHub Enterprise Server allows 250 hooks for each of some 70 events.
        const PAGES_MAX: usize = 200;
        let mut all = Vec::new();
        for page in 1..=PAGES_MAX {
            // The first page has no number; later ones are requested in the form of the provider's
            // links.
            let url = if page == 1 {
                self.url(path)
            } else {
                self.url(&format!("{path}&page={page}"))
            };
            let answer = self.get(url).await?;
            if !answer.status.is_success() {
                return Err(D::refusal(&answer, asked));
            }
            all.extend(errors::parse::<Vec<T>>(D::NAMING.name, &answer)?);
            if !D::has_next(&answer) {
                let tag = answer.header("etag").filter(|_| page == 1);
                let tag = tag.filter(|tag| tag.len() <= TAG_BYTES_MAX);
                return Ok((all, tag.map(str::to_owned)));
            }
        }
        Err(errors::bad_answer(D::NAMING.name, "an endless list"))
    }

    /// Whether the provider's API answers at all: it returns the token's own account, or refuses
    /// to.
    pub(super) async fn is_api(&mut self) -> Result<bool, ProviderError> {
        let answer = self.get(self.url("user")).await?;
        Ok(answer.status.as_u16() != 404)
    }

    /// The answer to a read of the token's own data.
    pub(super) async fn get_own(&mut self, path: &str) -> Result<Answer, ProviderError> {
        let answer = self.get(self.url(path)).await?;
        if answer.status.as_u16() == 200 {
            Ok(answer)
        } else {
            Err(D::refusal(&answer, Asked::Own))
        }
    }
}
