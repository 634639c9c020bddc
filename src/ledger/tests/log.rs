//! A provider with the log of one hook, for which each entry can fail.

use super::{TestClock, cut_off, unreadable};
use crate::domain::connection::Seen;
use crate::domain::delivery::Payload;
use crate::domain::error_code::ErrorCode;
use crate::domain::event::{Decoded, Event};
use crate::domain::explanation::Explained;
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::domain::samples::{self, Same};
use crate::domain::standing::Fingerprint;
use crate::domain::time::{Clock, Timestamp};
use crate::provider::github::GithubDecode;
use crate::provider::{
    Access, Calling, Checked, Decode, Ensured, Explain, FailedRun, Found, HookSpec, Hooks,
    Identity, Listed, ListedRun, LogPage, LogRead, Logged, LoggedPayload, Logs, Pinged,
    ProviderError, Redelivered, Repaired, RunsPage, RunsRead, TakenAway, Target, Unsent,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a call fails.
pub(super) type Failing = ErrorCode;

/// What the log answers when the payload of an entry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Payload,
    Nothing,
    Fails(Failing),
}

/// The state of the log, which stories change.
#[derive(Debug)]
pub(super) struct State {
    /// The newest last.
    pub(super) entries: Vec<(Logged, Kept)>,
    pub(super) sent: u64,
    /// It has pages with numbers, payloads in its list, and no times, as GitLab's.
    pub(super) is_numbered: bool,
    /// All calls fail.
    pub(super) down: Option<Failing>,
    /// The hook was deleted at the provider, and its log with it.
    pub(super) is_deleted: bool,
    /// All calls that read a payload fail.
    pub(super) details_down: Option<Failing>,
    /// What is said to a request to send again.
    pub(super) redelivers: Result<Redelivered, Failing>,
    /// The runs that are listed, and how many on a page.
    pub(super) found: Vec<Found>,
    pub(super) runs_a_page: usize,
    /// The latest runs, for a first reconcile; and since when the others were listed.
    pub(super) latest: Vec<Found>,
    pub(super) listed_since: Vec<Timestamp>,
    /// How long such a page takes.
    pub(super) runs_take: Duration,
    /// How many may be read in a minute; when this minute began, and how many were read in it.
    pub(super) runs_a_minute: Option<u64>,
    minute: (Timestamp, u64),
    /// Those that cannot be read.
    pub(super) odd_runs: BTreeMap<u64, Failing>,
    /// Those that were read.
    pub(super) runs_read: Vec<u64>,
    /// How often each operation was called, and the attempts whose payloads were read.
    pub(super) calls: BTreeMap<&'static str, u64>,
    pub(super) read: Vec<u64>,
    pub(super) redelivered: Vec<u64>,
}

impl State {
    /// One more run is to be read: whether the limit of this minute is met.
    fn limited(&mut self, now: Timestamp) -> Option<ProviderError> {
        const MINUTE: Duration = Duration::from_mins(1);
        let most = self.runs_a_minute?;
        let (began, count) = &mut self.minute;
        if now.since(*began) >= MINUTE {
            (*began, *count) = (now, 0);
        }
        if *count >= most {
            let after = Some(MINUTE.saturating_sub(now.since(*began)));
            let code = ErrorCode::RateLimited;
            return Some(ProviderError::retryable(code, "a limit", after, false));
        }
        *count += 1;
        None
    }
}

#[derive(Debug)]
pub(super) struct FakeLog {
    clock: Arc<Mutex<Timestamp>>,
    pub(super) state: Mutex<State>,
    time: Arc<TestClock>,
}

impl std::fmt::Debug for TestClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestClock")
    }
}

const PAGE: usize = 100;
/// The owner of repositories whose logs cannot be read now.
pub(super) const STUCK: &str = "stuck/";
/// The owner of repositories that are read with a credential without a limit.
pub(super) const FREE: &str = "free/";

fn error(code: ErrorCode) -> ProviderError {
    let acted = code == ErrorCode::ProviderTimeout;
    ProviderError::retryable(code, "the log fails", None, acted)
}

/// As a list has it what is found.
fn listed(found: &Found) -> ListedRun {
    let decoded = GithubDecode::new(&Same(9)).decode(&found.event, &found.payload);
    let Ok(Decoded {
        event: Event::Run(run),
        ..
    }) = decoded
    else {
        panic!("a run: {decoded:?}");
    };
    ListedRun {
        id: run.provider_run_id,
        family: run.family,
        attempt: Some(run.position.attempt),
        status: run.status,
        at: found.at,
        with_jobs: false,
        item: found.delivery_id.as_str().into(),
    }
}

impl FakeLog {
    pub(super) fn new(time: Arc<TestClock>) -> Self {
        let state = State {
            entries: Vec::new(),
            sent: 0,
            is_numbered: false,
            down: None,
            is_deleted: false,
            details_down: None,
            redelivers: Ok(Redelivered::Refused(Unsent::Gone)),
            found: Vec::new(),
            runs_a_page: 100,
            latest: Vec::new(),
            listed_since: Vec::new(),
            runs_take: Duration::ZERO,
            runs_a_minute: None,
            minute: (Timestamp(0), 0),
            odd_runs: BTreeMap::new(),
            runs_read: Vec::new(),
            calls: BTreeMap::new(),
            read: Vec::new(),
            redelivered: Vec::new(),
        };
        Self {
            clock: Arc::default(),
            state: Mutex::new(state),
            time,
        }
    }

    /// A delivery is sent, and answered or not. Returns its id.
    pub(super) fn sends(&self, status: Option<u16>) -> String {
        self.sends_kept(status, Kept::Payload)
    }

    /// The same; what the log keeps of it.
    pub(super) fn sends_kept(&self, status: Option<u16>, kept: Kept) -> String {
        let mut state = self.state.lock();
        state.sent += 1;
        let attempt = state.sent;
        let guid = format!("guid-{attempt}");
        let is_numbered = state.is_numbered;
        let payload = if is_numbered {
            let body = format!(r#"{{"attempt":{attempt}}}"#);
            LoggedPayload::Listed(samples::payload(body))
        } else {
            LoggedPayload::Separate
        };
        // One a millisecond at most, as attempts differ in time.
        let mut last = self.clock.lock();
        let at = self.time.right().max(Timestamp(last.0 + 1));
        *last = at;
        let logged = Logged {
            attempt,
            delivery_id: Some(guid.clone()),
            event: "push".into(),
            action: None,
            at: Some(at).filter(|_| !is_numbered),
            status,
            is_redelivery: false,
            payload,
        };
        state.entries.push((logged, kept));
        guid
    }

    /// So many are missed.
    pub(super) fn misses(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.sends(None)).collect()
    }

    /// What the log keeps of a delivery, from now on.
    pub(super) fn keeps(&self, guid: &str, kept: Kept) {
        let mut state = self.state.lock();
        let all = state.entries.iter_mut();
        let attempts = all.filter(|(logged, _)| logged.delivery_id.as_deref() == Some(guid));
        let changed = attempts.map(|entry| entry.1 = kept).count();
        assert!(changed > 0, "it was sent");
    }

    /// The provider deletes what is older.
    pub(super) fn forgets_before(&self, at: Timestamp) {
        let mut state = self.state.lock();
        state.entries.retain(|(logged, _)| logged.at >= Some(at));
    }

    pub(super) fn calls(&self, operation: &str) -> u64 {
        self.state.lock().calls.get(operation).copied().unwrap_or(0)
    }

    async fn call(&self, operation: &'static str) -> Result<(), ProviderError> {
        let down = {
            let mut state = self.state.lock();
            *state.calls.entry(operation).or_default() += 1;
            state.down
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        down.map_or(Ok(()), |code| Err(error(code)))
    }

    fn page(&self, cursor: Option<&str>) -> LogPage {
        let state = self.state.lock();
        if state.is_numbered {
            return cut_off::page(&state, cursor);
        }
        let before: u64 = cursor.map_or(u64::MAX, |cursor| cursor.parse().expect("a number"));
        let older = state.entries.iter().rev().map(|(logged, _)| logged);
        let older = older.filter(|logged| logged.attempt < before);
        let mut attempts: Vec<_> = older.take(PAGE + 1).cloned().collect();
        let has_more = attempts.len() > PAGE;
        attempts.truncate(PAGE);
        let last = attempts.last().filter(|_| has_more);
        LogPage {
            next: last.map(|last| last.attempt.to_string()),
            attempts,
            unreadable: 0,
        }
    }

    fn read_some(&self, of: &Target, listed: &[ListedRun]) -> Result<RunsRead, ProviderError> {
        let mut read = RunsRead::default();
        let mut state = self.state.lock();
        let is_free = of.full_name.as_str().starts_with(FREE);
        for run in listed {
            let limited = if is_free {
                None
            } else {
                state.limited(Clock::now(&*self.time))
            };
            let odd = state.odd_runs.get(&run.id).copied().map(error);
            match limited.or(odd) {
                Some(error) if read.count == 0 => return Err(error),
                Some(_) => break,
                None => {}
            }
            state.runs_read.push(run.id);
            let mut all = state.found.iter().chain(&state.latest);
            let found = all.find(|found| *found.delivery_id == *run.item);
            read.found.extend(found.cloned());
            read.count += 1;
        }
        Ok(read)
    }

    fn payload(&self, attempt: u64) -> Result<Option<Payload>, ProviderError> {
        let mut state = self.state.lock();
        state.read.push(attempt);
        if let Some(code) = state.details_down {
            return Err(error(code));
        }
        let mut all = state.entries.iter();
        let found = all.find(|(logged, _)| logged.attempt == attempt);
        match found.map(|(_, kept)| *kept) {
            Some(Kept::Payload) => {
                let body = format!(r#"{{"attempt":{attempt}}}"#);
                Ok(Some(samples::payload(body)))
            }
            Some(Kept::Nothing) | None => Ok(None),
            Some(Kept::Fails(code)) => Err(error(code)),
        }
    }
}

impl Logs for FakeLog {
    fn delivery_log<'a>(
        &'a self,
        _: &'a Access,
        target: &'a Target,
        _: HookId,
        cursor: Option<&'a str>,
    ) -> Calling<'a, LogRead> {
        Box::pin(async move {
            self.call("delivery_log").await?;
            if target.full_name.as_str().starts_with(STUCK) {
                return Err(error(ErrorCode::CallsWaiting));
            }
            if self.state.lock().is_deleted {
                return Ok(LogRead::HookMissing);
            }
            Ok(LogRead::Page(self.page(cursor)))
        })
    }

    fn place_in_log(&self, page: &str, before: u64) -> String {
        if !self.state.lock().is_numbered {
            return page.to_owned();
        }
        cut_off::place(before)
    }

    fn logged_payload<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        _: HookId,
        attempt: u64,
    ) -> Calling<'a, Option<Payload>> {
        Box::pin(async move {
            self.call("logged_payload").await?;
            self.payload(attempt)
        })
    }

    fn redeliver<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        _: HookId,
        attempt: u64,
    ) -> Calling<'a, Redelivered> {
        Box::pin(async move {
            self.call("redeliver").await?;
            let mut state = self.state.lock();
            state.redelivered.push(attempt);
            let answer = state.redelivers;
            if matches!(answer, Ok(Redelivered::Sent)) {
                unreadable::sent_again(&mut state, attempt, self.time.right());
            }
            answer.map_err(error)
        })
    }

    fn runs_since<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        since: Timestamp,
        cursor: Option<&'a str>,
    ) -> Calling<'a, RunsPage> {
        Box::pin(async move {
            self.call("runs_since").await?;
            self.state.lock().listed_since.push(since);
            let take = self.state.lock().runs_take;
            tokio::time::sleep(take).await;
            let state = self.state.lock();
            let from: usize = cursor.map_or(0, |cursor| cursor.parse().expect("a number"));
            let to = from + state.runs_a_page;
            let runs = state.found.iter().skip(from).take(state.runs_a_page);
            Ok(RunsPage {
                runs: runs.map(listed).collect(),
                next: (to < state.found.len()).then(|| to.to_string()),
            })
        })
    }

    fn latest_runs<'a>(&'a self, _: &'a Access, _: &'a Target) -> Calling<'a, Vec<ListedRun>> {
        Box::pin(async move {
            self.call("latest_runs").await?;
            Ok(self.state.lock().latest.iter().map(listed).collect())
        })
    }

    fn read_runs<'a>(
        &'a self,
        _: &'a Access,
        target: &'a Target,
        listed: &'a [ListedRun],
        _: Option<Timestamp>,
    ) -> Calling<'a, RunsRead> {
        Box::pin(async move {
            self.call("read_runs").await?;
            self.read_some(target, listed)
        })
    }

    fn run<'a>(&'a self, _: &'a Access, _: &'a Target, _: u64) -> Calling<'a, Vec<Found>> {
        Box::pin(async move {
            self.call("run").await?;
            Ok(Vec::new())
        })
    }
}

/// The reconciler changes no hook, and looks for none.
fn never() -> ! {
    unreachable!("a reconcile only reads logs and runs")
}

impl Explain for FakeLog {
    fn explain<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        _: &'a FailedRun,
    ) -> Calling<'a, Explained> {
        never()
    }
}

impl Hooks for FakeLog {
    fn ensure<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        _: Option<HookId>,
        _: &'a HookSpec,
    ) -> Calling<'a, Ensured> {
        never()
    }
    fn check<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        _: HookId,
        _: &'a HookSpec,
        _: Option<&'a Seen>,
    ) -> Calling<'a, Checked> {
        never()
    }
    fn repair<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        _: HookId,
        _: &'a HookSpec,
    ) -> Calling<'a, Repaired> {
        never()
    }
    fn ping<'a>(&'a self, _: &'a Access, _: &'a Target, _: HookId) -> Calling<'a, Pinged> {
        never()
    }
    fn delete<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        _: Option<HookId>,
        _: &'a str,
    ) -> Calling<'a, ()> {
        never()
    }
    fn hooks<'a>(&'a self, _: &'a Access, _: &'a Target) -> Calling<'a, Listed> {
        never()
    }
    fn take_away<'a>(
        &'a self,
        _: &'a Access,
        _: &'a Target,
        _: HookId,
        _: Fingerprint,
    ) -> Calling<'a, TakenAway> {
        never()
    }
    fn repository<'a>(&'a self, _: &'a Access, _: &'a Target) -> Calling<'a, Option<Repository>> {
        never()
    }
    fn owner<'a>(&'a self, _: &'a Access, _: &'a str) -> Calling<'a, ()> {
        never()
    }
    fn repositories<'a>(&'a self, _: &'a Access, _: u32) -> Calling<'a, (Vec<Repository>, bool)> {
        never()
    }
    fn identity<'a>(&'a self, _: &'a Access) -> Calling<'a, Identity> {
        never()
    }
}
