//! The event of a body, by its own keys: the event's name is in a header that is not signed, so an
//! observer of a delivery could send its body under another name.

use crate::provider::github::payload::Body;

impl Body<'_> {
    /// The event, when the keys are unambiguous; they are those of GitHub's own examples
    /// (@octokit/webhooks-examples). The order matters: a deployment event may contain
    /// the run and the check that created it.
    pub(super) fn event(&self) -> Option<&'static str> {
        let is_deployment = self.deployment.0.is_some();
        if self.zen.text().is_some() {
            Some("ping")
        } else if self.hook_id.number().is_some() && self.action.text() == Some("deleted") {
            Some("meta")
        } else if self.deployment_status.0.is_some() {
            Some("deployment_status")
        } else if self.workflow_job.0.is_some() {
            Some("workflow_job")
        } else if self.workflow_run.0.is_some() {
            // A review of a deployment contains the run that waits for it.
            let is_run = !is_deployment && self.since.text().is_none();
            is_run.then_some("workflow_run")
        } else if is_deployment {
            None
        } else if self.check_run.0.is_some() {
            Some("check_run")
        } else if self.check_suite.0.is_some() {
            Some("check_suite")
        } else if self.pull_request.0.is_some() {
            let more = [&self.review, &self.comment, &self.thread];
            let is_plain = more.iter().all(|part| part.0.is_none());
            (is_plain && self.number.number().is_some()).then_some("pull_request")
        } else {
            self.of_git()
        }
    }

    /// Bodies with commits and references.
    fn of_git(&self) -> Option<&'static str> {
        if self.sha.text().is_some() && self.context.text().is_some() {
            return self.state.text().map(|_| "status");
        }
        self.git_ref.text()?;
        if self.ref_type.text().is_some() {
            let is_creation = self.master_branch.text().is_some();
            return Some(if is_creation { "create" } else { "delete" });
        }
        // An updated cache also has two commits.
        let is_cache = self.cache_location.text().is_some();
        let is_push = self.before.text().is_some() && self.after.text().is_some();
        (is_push && !is_cache).then_some("push")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::github::decode::parts::unfold;
    use crate::provider::payload::read;

    fn event_of(body: &[u8]) -> Option<&'static str> {
        let (json, mut room) = (unfold(body).ok()?, Vec::new());
        let (body, _): (Body<'_>, _) = read(&json, &mut room).ok()?;
        body.event()
    }

    #[test]
    fn a_body_says_itself_what_it_tells_of() {
        for (body, event) in [
            (r#"{"zen":"Keep it.","hook_id":1,"hook":{}}"#, Some("ping")),
            (
                r#"{"action":"deleted","hook_id":1,"hook":{}}"#,
                Some("meta"),
            ),
            (r#"{"workflow_run":{},"workflow":{}}"#, Some("workflow_run")),
            (
                r#"{"workflow_job":{},"deployment":{}}"#,
                Some("workflow_job"),
            ),
            (r#"{"check_suite":{}}"#, Some("check_suite")),
            (r#"{"check_run":{"check_suite":{}}}"#, Some("check_run")),
            (
                r#"{"deployment_status":{},"deployment":{},"workflow_run":{},"check_run":{}}"#,
                Some("deployment_status"),
            ),
            (r#"{"deployment":{},"workflow_run":{}}"#, None),
            (r#"{"since":"x","workflow_run":{},"approver":{}}"#, None),
            (r#"{"number":7,"pull_request":{}}"#, Some("pull_request")),
            (r#"{"number":7,"pull_request":{},"review":{}}"#, None),
            (
                r#"{"sha":"a","state":"failure","context":"ci"}"#,
                Some("status"),
            ),
            (
                r#"{"ref":"refs/heads/x","before":"0","after":"1"}"#,
                Some("push"),
            ),
            (r#"{"ref":"x","ref_type":"branch"}"#, Some("delete")),
            (
                r#"{"ref":"x","ref_type":"branch","master_branch":"main"}"#,
                Some("create"),
            ),
            (r#"{"action":"renamed","repository":{"id":1}}"#, None),
            ("payload=%7B%22zen%22%3A%22a%22%7D", Some("ping")),
            ("{", None),
            ("[]", None),
        ] {
            assert_eq!(event_of(body.as_bytes()), event, "{body}");
        }
    }
}
