//! A provider whose log is empty, and which ran nothing.

use super::provider::FakeProvider;
use crate::domain::delivery::Payload;
use crate::domain::explanation::{Explained, Unread};
use crate::domain::id::HookId;
use crate::domain::time::Timestamp;
use crate::provider::{
    Access, Calling, Explain, FailedRun, Found, ListedRun, LogPage, LogRead, Logs, Redelivered,
    RunsPage, RunsRead, Target, Unsent,
};

impl Explain for FakeProvider {
    fn explain<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        _: &'a FailedRun,
    ) -> Calling<'a, Explained> {
        let explained = || Explained {
            jobs: Ok(Vec::new()),
            commit: Err(Unread::NotFound),
            request: Err(Unread::NotFound),
            range: Err(Unread::NoPassedRun),
        };
        Box::pin(self.call("explain", access, explained))
    }
}

impl Logs for FakeProvider {
    fn delivery_log<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        _: HookId,
        _: Option<&'a str>,
    ) -> Calling<'a, LogRead> {
        let empty = || LogRead::Page(LogPage::default());
        Box::pin(self.call("delivery_log", access, empty))
    }

    fn place_in_log(&self, page: &str, _: u64) -> String {
        page.to_owned()
    }

    fn logged_payload<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        _: HookId,
        _: u64,
    ) -> Calling<'a, Option<Payload>> {
        Box::pin(self.call("logged_payload", access, || None))
    }

    fn redeliver<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        _: HookId,
        _: u64,
    ) -> Calling<'a, Redelivered> {
        let gone = || Redelivered::Refused(Unsent::Gone);
        Box::pin(self.call("redeliver", access, gone))
    }

    fn runs_since<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        _: Timestamp,
        _: Option<&'a str>,
    ) -> Calling<'a, RunsPage> {
        Box::pin(self.call("runs_since", access, RunsPage::default))
    }

    fn latest_runs<'a>(&'a self, access: &'a Access, _: &'a Target) -> Calling<'a, Vec<ListedRun>> {
        Box::pin(self.call("latest_runs", access, Vec::new))
    }

    fn read_runs<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        _: &'a [ListedRun],
        _: Option<Timestamp>,
    ) -> Calling<'a, RunsRead> {
        Box::pin(self.call("read_runs", access, RunsRead::default))
    }

    fn run<'a>(&'a self, access: &'a Access, _: &'a Target, _: u64) -> Calling<'a, Vec<Found>> {
        Box::pin(self.call("run", access, Vec::new))
    }
}
