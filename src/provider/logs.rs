//! What a provider says that it sent and ran: its delivery logs, its runs, and reading both.
//!
//! Nothing here changes anything except [`Logs::redeliver`]. An answer is never guessed: that an
//! attempt or a run is gone is said only after the hook, or the repository, was seen with the same
//! token.

use super::access::{Access, Calling, Target};
use crate::domain::delivery::Payload;
use crate::domain::id::HookId;
use crate::domain::named::named;
use crate::domain::run::{Family, RunStatus};
use crate::domain::time::Timestamp;
use std::sync::Arc;

/// What a read of a delivery log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogRead {
    /// A page.
    Page(LogPage),
    /// The log has no such place (any more): read it from its beginning.
    CursorLost,
    /// The provider lists the hooks, and this one is not among them. Its log went with it.
    HookMissing,
    /// The hook is there, but this version of the provider has no log that can be read: GitLab
    /// before 17.3.
    Unsupported,
}

/// A page of a delivery log, newest first.
///
/// The awkward case: attempts that are logged meanwhile push older ones to later pages. So an
/// attempt may be listed twice, never zero times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The attempts.
    pub attempts: Vec<Logged>,
    /// Entries that are there but too large to be read, so that not even their ids are known. A
    /// redelivery needs the id: only reading runs can make up for them.
    pub unreadable: u32,
    /// Where the next page begins; `None` when this is the last one.
    pub next: Option<String>,
}

/// An attempt to deliver, as the provider logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The provider's id of the attempt. Later attempts have higher ids at GitLab; GitHub does not
    /// promise it.
    pub attempt: u64,
    /// The id under which ingress stores the delivery: the same for all attempts. At GitHub it is
    /// shared by all hooks of the repository. `None` for GitLab 17.3, whose log has none, and where
    /// ingress stores a hash of the body, which the log does not keep byte for byte.
    pub delivery_id: Option<String>,
    /// The event, named as ingress stores it: `workflow_run`, `Pipeline Hook`.
    pub event: String,
    /// The action of the event, when the log has it apart from the payload.
    pub action: Option<String>,
    /// When the attempt was made. GitLab's log has no times; the signed time of its request is used
    /// where it is shown (19.0).
    pub at: Option<Timestamp>,
    /// The HTTP status of our answer; `None` when the provider got none: refused, timed out, TLS.
    pub status: Option<u16>,
    /// Whether it repeats an earlier attempt. GitLab does not say so: then `false`.
    pub is_redelivery: bool,
    /// The payload.
    pub payload: LoggedPayload,
}

impl Logged {
    /// Whether an answer of ours with 2xx is on record: then the delivery was stored before.
    pub const fn was_answered(&self) -> bool {
        matches!(self.status, Some(200..=299))
    }
}

/// Where the payload of a logged attempt is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedPayload {
    /// In the list: GitLab. Not byte for byte what was sent: its e-mail addresses are replaced by
    /// `[REDACTED]`.
    Listed(Payload),
    /// To be read with [`Logs::logged_payload`]: GitHub.
    Separate,
    /// The provider did not keep it, because it was too large. A redelivery by GitLab would only
    /// bring the substitute.
    Lost,
}

named! {
    /// Why nothing was sent again.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Unsent {
        /// The log no longer has the attempt, or this version cannot: GitLab before 17.4.
        Gone = "gone",
        /// The hook has another URL than at the time of the attempt (GitLab).
        AddressChanged = "address_changed",
        /// The provider has disabled the hook (GitLab).
        HookDisabled = "hook_disabled",
        /// It was sent, and the provider did not reach us (GitLab, which waits for our answer).
        Unreached = "unreached",
        /// Another reason.
        Rejected = "rejected",
    }
}

/// The result of a request to deliver again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivered {
    /// It is under way, or has arrived. A delivery with the same id follows; whether we took it is
    /// for ingress to say.
    Sent,
    /// It was not sent.
    Refused(Unsent),
}

/// A run or a pipeline, as a list has it: enough to know whether it is news. The rest takes calls
/// of its own, see [`Logs::read_runs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRun {
    /// The provider's id.
    pub id: u64,
    /// Its family.
    pub family: Family,
    /// Its last attempt. `None` where the list has none: GitLab.
    pub attempt: Option<u32>,
    /// Its state.
    pub status: RunStatus,
    /// When it last changed, by the provider's clock.
    pub at: Timestamp,
    /// Whether its failed jobs are read, too.
    pub with_jobs: bool,
    /// For its provider: the item of the list, if it is needed to read the run.
    pub item: Arc<str>,
}

/// A run or a pipeline that was found by listing, as a delivery of its present state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// An id for this state of this run: the same however often it is found, and none that a
    /// provider could use for a delivery. Begins with `found:`.
    pub delivery_id: String,
    /// The event that would tell of it: `workflow_run`, `workflow_job`, `Pipeline Hook`.
    pub event: String,
    /// When the state was reached, by the provider's clock.
    pub at: Timestamp,
    /// The body of such an event, built from the API's answer. [`super::Decode`] reads it as it
    /// reads the event itself.
    pub payload: Payload,
}

/// A page of runs, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsPage {
    /// The runs. One may be on two pages.
    pub runs: Vec<ListedRun>,
    /// Where the next page begins; `None` when this is the last one.
    pub next: Option<String>,
}

/// Runs that were read, as far as the provider let them be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsRead {
    /// What the first `count` of them are. One that is gone is nothing; one with earlier attempts
    /// or failed jobs is several.
    pub found: Vec<Found>,
    /// How many were read, at least one.
    pub count: usize,
}

/// Reading a provider's logs and runs.
///
/// What the APIs do not say of a run, and what follows:
/// - GitHub lists the last attempt of a run only. Earlier attempts that ended since the moment are
///   read one by one, at most ten of a run, without their jobs.
/// - GitHub's list has no jobs: they are found for runs that failed.
/// - GitLab's API does not say which pipeline of another project started a downstream pipeline.
///   These are not found. The parent of a child pipeline is found by its trigger jobs.
pub trait Logs: Send + Sync + 'static {
    /// Reads a page of a hook's delivery log, newest first; `cursor` is the `next` of an earlier
    /// page, and may be stored for days. All attempts are read, whatever their result: the
    /// providers' filters omit failures without an HTTP status.
    ///
    /// Windows: github.com 3 days, GitHub Enterprise Server 7, GitLab 7.
    fn delivery_log<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        cursor: Option<&'a str>,
    ) -> Calling<'a, LogRead>;

    /// Where a walk through a log continues at an entry that an earlier one has read: a cursor from
    /// which that entry is found within a few pages. `page` is the cursor of the page on which it
    /// was, and `before` the number of entries that are listed before it now.
    fn place_in_log(&self, page: &str, before: u64) -> String;

    /// Reads the payload of an attempt, if it is [`LoggedPayload::Separate`]. `None` when the
    /// provider no longer has it, did not keep it, or when it is too large to be read (8 MiB with
    /// all else): then a redelivery may still bring it. Its JSON was parsed by the provider: not
    /// byte for byte what was sent.
    fn logged_payload<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        attempt: u64,
    ) -> Calling<'a, Option<Payload>>;

    /// Requests that an attempt be made again. GitLab allows five a minute for a project and token;
    /// one too many is a retryable error, and nothing is sent.
    fn redeliver<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        attempt: u64,
    ) -> Calling<'a, Redelivered>;

    /// A page of the runs with a change since a moment; `cursor` is the `next` of a page before,
    /// with the same `since`. One call.
    ///
    /// The awkward case: GitHub cannot list by the time of a change. Runs are found that were
    /// created up to a day before `since`. Older ones that were run again, or ran for so long, are
    /// read with [`Logs::run`] by those who know of them.
    fn runs_since<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        since: Timestamp,
        cursor: Option<&'a str>,
    ) -> Calling<'a, RunsPage>;

    /// The latest run that decides (passed or failed) of each workflow and lane among the recent
    /// ones, and of each workflow's pushes to the default branch and schedules there however old;
    /// and what came after it: what runs now, and ends that decide nothing. For a first connect.
    fn latest_runs<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
    ) -> Calling<'a, Vec<ListedRun>>;

    /// Reads runs of a list, in its order; with `since` also earlier attempts that ended since
    /// then. Up to five calls for most of them.
    ///
    /// The awkward case: when one cannot be read, or it takes long, what was read until then is
    /// the answer, and the next call begins with that one. An error is always of the first.
    fn read_runs<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        listed: &'a [ListedRun],
        since: Option<Timestamp>,
    ) -> Calling<'a, RunsRead>;

    /// The present state of one run, by the provider's id; with its failed jobs. Empty when there
    /// is none of that id.
    fn run<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        run: u64,
    ) -> Calling<'a, Vec<Found>>;
}
