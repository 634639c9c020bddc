//! The events that a hook can be given, each with its three names.

/// An event: what the header says, the flag that asks for it, and what the log calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) header: &'static str,
    pub(crate) flag: &'static str,
    pub(crate) trigger: &'static str,
}

const fn event(header: &'static str, flag: &'static str, trigger: &'static str) -> Event {
    Event {
        header,
        flag,
        trigger,
    }
}

/// All of them.
pub(crate) const EVENTS: [Event; 18] = [
    event("Push Hook", "push_events", "push_hooks"),
    event("Tag Push Hook", "tag_push_events", "tag_push_hooks"),
    event("Issue Hook", "issues_events", "issue_hooks"),
    event(
        "Confidential Issue Hook",
        "confidential_issues_events",
        "confidential_issue_hooks",
    ),
    event("Note Hook", "note_events", "note_hooks"),
    event(
        "Confidential Note Hook",
        "confidential_note_events",
        "confidential_note_hooks",
    ),
    event(
        "Merge Request Hook",
        "merge_requests_events",
        "merge_request_hooks",
    ),
    event("Job Hook", "job_events", "job_hooks"),
    event("Pipeline Hook", "pipeline_events", "pipeline_hooks"),
    event("Wiki Page Hook", "wiki_page_events", "wiki_page_hooks"),
    event("Deployment Hook", "deployment_events", "deployment_hooks"),
    event("Release Hook", "releases_events", "release_hooks"),
    event("Milestone Hook", "milestone_events", "milestone_hooks"),
    event(
        "Feature Flag Hook",
        "feature_flag_events",
        "feature_flag_hooks",
    ),
    event("Emoji Hook", "emoji_events", "emoji_hooks"),
    event(
        "Vulnerability Hook",
        "vulnerability_events",
        "vulnerability_hooks",
    ),
    event(
        "Resource Access Token Hook",
        "resource_access_token_events",
        "resource_access_token_hooks",
    ),
    event(
        "Resource Deploy Token Hook",
        "resource_deploy_token_events",
        "resource_deploy_token_hooks",
    ),
];

/// Events that cannot be tested.
const UNTESTABLE: [&str; 4] = [
    "deployment_events",
    "feature_flag_events",
    "confidential_note_events",
    "vulnerability_events",
];

impl Event {
    pub(crate) fn of_header(header: &str) -> Option<Self> {
        EVENTS.into_iter().find(|event| event.header == header)
    }

    /// The event that a test asks for by its flag.
    pub(crate) fn of_test(flag: &str) -> Option<Self> {
        let testable = EVENTS
            .into_iter()
            .filter(|event| !UNTESTABLE.contains(&event.flag));
        testable.into_iter().find(|event| event.flag == flag)
    }

    /// What a project must have before this can be tested.
    pub(crate) fn lacks(self) -> &'static str {
        match self.flag {
            "push_events" | "tag_push_events" => "Ensure the project has at least one commit.",
            "pipeline_events" => "Ensure the project has CI pipelines.",
            "job_events" => "Ensure the project has CI jobs.",
            "merge_requests_events" => "Ensure the project has merge requests.",
            "note_events" => "Ensure the project has notes.",
            "issues_events" | "confidential_issues_events" => "Ensure the project has issues.",
            "wiki_page_events" => "Ensure the wiki is enabled and has pages.",
            "releases_events" => "Ensure the project has releases.",
            "milestone_events" => "Ensure the project has milestones.",
            _ => "Testing not available for this hook",
        }
    }
}
