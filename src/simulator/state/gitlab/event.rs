//! The events that a hook can be given, each with its three names.

/// An event: what the header says, and the flag that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) header: &'static str,
    pub(crate) flag: &'static str,
}

const fn event(header: &'static str, flag: &'static str) -> Event {
    Event { header, flag }
}

/// All of them.
pub(crate) const EVENTS: [Event; 18] = [
    event("Push Hook", "push_events"),
    event("Tag Push Hook", "tag_push_events"),
    event("Issue Hook", "issues_events"),
    event("Confidential Issue Hook", "confidential_issues_events"),
    event("Note Hook", "note_events"),
    event("Confidential Note Hook", "confidential_note_events"),
    event("Merge Request Hook", "merge_requests_events"),
    event("Job Hook", "job_events"),
    event("Pipeline Hook", "pipeline_events"),
    event("Wiki Page Hook", "wiki_page_events"),
    event("Deployment Hook", "deployment_events"),
    event("Release Hook", "releases_events"),
    event("Milestone Hook", "milestone_events"),
    event("Feature Flag Hook", "feature_flag_events"),
    event("Emoji Hook", "emoji_events"),
    event("Vulnerability Hook", "vulnerability_events"),
    event("Resource Access Token Hook", "resource_access_token_events"),
    event("Resource Deploy Token Hook", "resource_deploy_token_events"),
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

    /// What the log calls it.
    pub(crate) fn trigger(self) -> String {
        format!("{}s", self.header.to_lowercase().replace(' ', "_"))
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
