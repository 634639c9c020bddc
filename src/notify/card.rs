//! What a message says, for people: the same for all kinds of sinks that people read.
//!
//! Each text has a limit, and no control, invisible or direction-changing characters. Nothing is
//! escaped here: what acts in a text differs between the sinks, and each escapes for itself.

mod bounded;
mod explained;

pub(super) use bounded::{bounded, lines};

use super::deliver::Message;
use super::words::Words;
use crate::domain::explanation::{Explained, ExplainedCommit};
use crate::domain::incident::health::HealthKind;
use crate::domain::incident::{CiFailure, Incident, Resolution, Severity, Subject};
use crate::domain::notification::NotificationKind;
use crate::domain::repo::FullName;
use crate::domain::run::FailedJob;
use crate::domain::text::clean;
use bounded::FACT_BYTES_MAX;

/// Longest title, in bytes.
pub(super) const TITLE_BYTES_MAX: usize = 200;
/// Longest name of a person or a workflow, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// Jobs that are named.
const JOBS_MAX: usize = 8;
/// Longest name of a job, in bytes.
const JOB_BYTES_MAX: usize = 60;
/// Characters of a commit's id that are shown.
const SHA_BYTES_MAX: usize = 8;
/// Longest link, in bytes.
const LINK_BYTES_MAX: usize = 2048;

/// One line of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    /// What it is: our own word.
    pub label: &'static str,
    /// The text, possibly of a stranger.
    pub value: String,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// What has happened.
    pub kind: NotificationKind,
    /// How severe it is.
    pub severity: Severity,
    /// The title of the incident, possibly of a stranger.
    pub title: String,
    /// What is known of it, at most eleven lines.
    pub facts: Vec<Fact>,
    /// The lines in place of the facts, for people, when a template made them: none is empty at
    /// its ends.
    pub text: Option<Vec<String>>,
    /// The page of the run: http or https, and no character of it acts in any mark-up.
    pub link: Option<String>,
}

impl Card {
    /// The card of a message.
    pub fn of(message: &Message) -> Self {
        let explained = message.explained.as_ref();
        Self::about(message.kind, &message.incident, explained).worded(&message.words)
    }

    /// The card of a message of this kind about an incident, with what the provider says about it.
    pub fn about(
        kind: NotificationKind,
        incident: &Incident,
        explained: Option<&Explained>,
    ) -> Self {
        let title = bounded(&incident.title, TITLE_BYTES_MAX);
        Self {
            kind,
            severity: incident.severity,
            title: title.unwrap_or_else(|| "Incident".to_owned()),
            facts: facts(kind, incident, explained),
            text: None,
            link: incident.ci.as_ref().and_then(link),
        }
    }

    /// The card with these words in place of its own.
    pub fn worded(self, words: &Words) -> Self {
        Self {
            title: words.title.clone().unwrap_or(self.title),
            text: words.text.clone(),
            ..self
        }
    }

    /// The lines of a plain text, with all that may be of a stranger escaped.
    pub fn lines(&self, escaped: fn(&str) -> String) -> Vec<String> {
        let fact = |fact: &Fact| format!("{}: {}", fact.label, escaped(&fact.value));
        match &self.text {
            Some(text) => text.iter().map(|line| escaped(line)).collect(),
            None => self.facts.iter().map(fact).collect(),
        }
    }

    /// What has happened, in a word or two.
    pub const fn status(&self) -> &'static str {
        match self.kind {
            NotificationKind::Opened => "Opened",
            NotificationKind::Reopened => "Reopened",
            NotificationKind::Flapping => "Flapping",
            NotificationKind::Worse => "More severe",
            NotificationKind::Resolved => "Resolved",
            NotificationKind::Reminded => "Still open",
            NotificationKind::Digest => "Digest",
        }
    }

    /// A sign for it that is seen at a glance.
    pub const fn sign(&self) -> &'static str {
        match (self.kind, self.severity) {
            (NotificationKind::Digest, _) => "\u{1f4cb}",
            (NotificationKind::Resolved, _) => "\u{1f7e2}",
            (NotificationKind::Flapping, _) | (_, Severity::Warning) => "\u{1f7e1}",
            (_, Severity::Error | Severity::Critical) => "\u{1f534}",
        }
    }

    /// The title, shortened to so many bytes.
    pub fn title_within(&self, bytes_max: usize) -> String {
        bounded(&self.title, bytes_max).unwrap_or_default()
    }
}

fn facts(kind: NotificationKind, incident: &Incident, explained: Option<&Explained>) -> Vec<Fact> {
    let ci = incident.ci.as_ref();
    let of_ci = |text: fn(&CiFailure) -> Option<String>| ci.and_then(text);
    let is_resolved = kind == NotificationKind::Resolved;
    let resolution = incident.resolution.filter(|_| is_resolved);
    let resolution = resolution.map(|how| resolved_by(how, incident));
    let is_flapping = kind == NotificationKind::Flapping;
    let flapping = is_flapping.then_some("it fails and passes in turn; more when that ends");
    let repository = incident.repository.as_ref().map(FullName::as_str);
    let tested = tested(explained);
    let lines = [
        ("Severity", Some(incident.severity.as_str().to_owned())),
        ("Resolution", resolution.map(str::to_owned)),
        ("Flapping", flapping.map(str::to_owned)),
        (
            "Repository",
            repository.and_then(|name| bounded(name, FACT_BYTES_MAX)),
        ),
        (
            "Workflow",
            of_ci(|ci| bounded(&ci.workflow_name, NAME_BYTES_MAX)),
        ),
        (
            "Branch",
            of_ci(|ci| bounded(&ci.shown_branch()?, FACT_BYTES_MAX)),
        ),
        ("Commit", ci.and_then(|ci| commit(ci, tested))),
        ("Author", ci.and_then(|ci| author(ci, tested))),
        ("Failed jobs", of_ci(|ci| jobs(&ci.failed_jobs))),
        ("Failed step", explained.and_then(explained::steps)),
        (
            "Since last pass",
            explained
                .filter(|_| !is_resolved)
                .and_then(explained::since),
        ),
        ("Occurrences", Some(incident.occurrences.to_string())),
    ];
    let some = |(label, value): (&'static str, Option<String>)| {
        let value = value?;
        Some(Fact { label, value })
    };
    lines.into_iter().filter_map(some).collect()
}

/// What the provider says about the commit.
pub(super) fn tested(explained: Option<&Explained>) -> Option<&ExplainedCommit> {
    explained.and_then(|explained| explained.commit.as_ref().ok())
}

/// A text in one line, as long as that of a fact.
pub(super) fn line(text: &str) -> Option<String> {
    bounded(text, FACT_BYTES_MAX)
}

/// The short id of the commit.
pub(super) fn sha(ci: &CiFailure) -> Option<String> {
    clean(&ci.commit_sha, SHA_BYTES_MAX)
}

/// The first line of the commit's message. `tested` is what the provider says about it.
pub(super) fn commit_title(ci: &CiFailure, tested: Option<&ExplainedCommit>) -> Option<String> {
    let title = tested.map(|commit| commit.title.as_str());
    let title = title.filter(|title| !title.is_empty());
    let whole = title.or(ci.commit_message.as_deref());
    let first = whole.and_then(|text| text.trim_start().lines().next());
    first.and_then(line)
}

/// The short id and the first line. `tested` is what the provider says about it.
fn commit(ci: &CiFailure, tested: Option<&ExplainedCommit>) -> Option<String> {
    match (sha(ci), commit_title(ci, tested)) {
        (Some(sha), Some(line)) => Some(format!("{sha} {line}")),
        (sha, line) => sha.or(line),
    }
}

/// The author of the commit, else who started the run.
fn author(ci: &CiFailure, tested: Option<&ExplainedCommit>) -> Option<String> {
    let author = tested.and_then(|commit| commit.author.as_deref());
    bounded(author.or(ci.author.as_deref())?, NAME_BYTES_MAX)
}

fn jobs(failed: &[FailedJob]) -> Option<String> {
    let names = failed.iter().take(JOBS_MAX);
    let names = names.filter_map(|job| bounded(&job.name, JOB_BYTES_MAX));
    let names: Vec<String> = names.collect();
    let more = failed.len().saturating_sub(JOBS_MAX);
    let text = names.join(", ");
    match (text.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(text),
        (false, more) => Some(format!("{text}, and {more} more")),
    }
}

fn resolved_by(how: Resolution, incident: &Incident) -> &'static str {
    match how {
        Resolution::Passed(_) if incident.is_flaky => "the same commit passed when it ran again",
        Resolution::Passed(_) => "a later run passed",
        Resolution::ByHand => "resolved by a user",
        Resolution::Recovered if HealthKind::CredentialExpiring.is_of(incident) => {
            "there is a token that lasts longer"
        }
        Resolution::Recovered => "it works again",
        Resolution::Disconnected => match incident.subject {
            Subject::Connection(_) => "the connection was paused or disconnected",
            Subject::Credential(_) => "the credential was removed",
            Subject::Sink(_) => "the sink was paused or removed",
            Subject::Provider(_) => "none of your connections is there any more",
            Subject::Server => "you are no administrator any more",
        },
        Resolution::Superseded | Resolution::Replaced => "another incident replaces it",
        Resolution::BranchDeleted => "the branch was deleted",
        Resolution::TagDeleted => "the tag was deleted",
        Resolution::PullRequestClosed => "the pull request was closed",
        Resolution::Merged => "the pull request was merged",
        Resolution::LeftQueue => "it left the merge queue",
        Resolution::Joined => "an earlier incident has its failures",
        Resolution::Mirrored => "another incident shows the same failure",
    }
}

/// The page of the run, as it is stored, if it can stand in any mark-up as it is.
fn link(ci: &CiFailure) -> Option<String> {
    let text = ci.url.as_deref().filter(|it| it.len() <= LINK_BYTES_MAX)?;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"'`\\^{}|()[]*".contains(&byte);
    let url = url::Url::parse(text).ok()?;
    let is_web = ["http", "https"].contains(&url.scheme()) && url.has_host();
    let is_open = url.username().is_empty() && url.password().is_none();
    (is_web && is_open && text.bytes().all(is_plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::samples::{message, resolved};
    use super::*;

    #[test]
    fn a_card_says_what_is_known_in_a_fixed_order() {
        let card = Card::of(&message());
        let lines: Vec<String> = card
            .facts
            .iter()
            .map(|fact| format!("{}: {}", fact.label, fact.value))
            .collect();
        assert_eq!(
            lines,
            [
                "Severity: error",
                "Repository: octo/app",
                "Workflow: build",
                "Branch: main",
                "Commit: 0123abcd Add the cache",
                "Author: ann",
                "Failed jobs: test (linux), lint",
                "Failed step: test (linux): Run make test",
                "Since last pass: 2 commits by ann",
                "Occurrences: 2",
            ]
        );
        assert_eq!(card.status(), "Opened");
        let card = Card::of(&resolved());
        let found = card.facts.iter().find(|fact| fact.label == "Resolution");
        assert_eq!(found.unwrap().value, "a later run passed");
        assert_eq!(card.status(), "Resolved");
    }

    /// A route for `main` pages for no stranger.
    #[test]
    fn the_branch_of_a_fork_is_shown_with_its_repository() {
        let mut message = message();
        message.incident.ci.as_mut().unwrap().head = Some("evil/app".to_owned());
        let card = Card::of(&message);
        let branch = card.facts.iter().find(|fact| fact.label == "Branch");
        assert_eq!(branch.unwrap().value, "evil/app:main");
    }

    #[test]
    fn an_end_is_said_in_words_that_fit_what_the_incident_is_about() {
        let mut incident = message().incident;
        let mut said = |subject: Subject, failure: &str, how: Resolution| {
            (incident.subject, incident.failure_type) = (subject, failure.to_owned());
            incident.source = crate::domain::incident::IncidentSource::Health;
            resolved_by(how, &incident)
        };
        let sink = Subject::Sink(crate::domain::id::SinkId::from_u128(1));
        let gone = Resolution::Disconnected;
        assert_eq!(
            said(sink, "sink_disabled", gone),
            "the sink was paused or removed"
        );
        let token = Subject::Credential(crate::domain::id::CredentialId::from_u128(1));
        let lasts = "there is a token that lasts longer";
        assert_eq!(
            said(token, "credential_expiring", Resolution::Recovered),
            lasts
        );
        assert_eq!(
            said(token, "credential_rejected", Resolution::Recovered),
            "it works again"
        );
    }

    #[test]
    fn only_web_addresses_that_stand_in_any_mark_up_are_links() {
        let mut message = message();
        let mut linked = |text: &str| {
            message.incident.ci.as_mut().unwrap().url = Some(text.to_owned());
            Card::of(&message).link
        };
        for text in [
            "https://github.com/octo/app/actions/runs/1",
            "http://gitlab.internal:8080/g/s_b/-/pipelines/7?x=1&y=%20",
        ] {
            assert_eq!(linked(text).as_deref(), Some(text));
        }
        let long = format!("https://h.example/{}", "x".repeat(LINK_BYTES_MAX));
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//h.example/x",
            "https://ann:key@h.example/x",
            "https://h.example/a|b",
            "https://h.example/a>b",
            "https://h.example/a)b",
            "https://h.example/a]b",
            "https://h.example/a\"b",
            "https://h.example/a b",
            "https://h.example/a\nb",
            "https://h.example/\u{202e}b",
            &long,
            "",
        ] {
            assert_eq!(linked(text), None, "{text}");
        }
    }

    #[test]
    fn long_texts_are_cut_with_an_ellipsis_and_many_jobs_are_counted() {
        assert_eq!(bounded("abcdef", 6).as_deref(), Some("abcdef"));
        assert_eq!(bounded("abcdefg", 6).as_deref(), Some("abc\u{2026}"));
        let accents = "\u{e9}".repeat(9);
        assert_eq!(bounded(&accents, 6).as_deref(), Some("\u{e9}\u{2026}"));
        assert_eq!(bounded("\u{202e}\u{0} ", 6), None);
        let job = |n| crate::domain::samples::failed_job(n, "test", "");
        let many: Vec<FailedJob> = (0..500).map(job).collect();
        let text = jobs(&many).unwrap();
        assert!(text.ends_with("test, test, and 492 more"), "{text}");
        assert_eq!(jobs(&[]), None);
    }
}
