//! When incidents are explained, what follows from a try, and how large an explanation may become.

use super::*;
use crate::domain::error_code::ErrorCode;
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::notification::{Announced, Standing};
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn incident() -> Incident {
    samples::ci_incident(1, 9)
}

fn announced(incident: &Incident, episode: u32) -> Announced {
    let standing: Standing = incident.standing();
    Announced {
        incident: incident.id,
        standing,
        episode,
        has_flapped: false,
    }
}

fn error() -> LastError {
    LastError {
        code: ErrorCode::ProviderUnavailable,
        message: "GitHub is unavailable (HTTP 502).".into(),
        at: NOW,
    }
}

fn begun() -> Explanation {
    Explanation::begin(&incident(), None, 2, NOW).unwrap()
}

#[test]
fn an_incident_about_ci_is_explained_once_in_each_episode() {
    let open = incident();
    assert_eq!(due(&open, None, None), Some(Timestamp(0)));
    let begun = begun();
    assert_eq!(due(&open, None, Some(&begun)), Some(NOW));
    let read = Next::Read(Box::new(samples::explained()));
    let done = begun.tried().after(read, NOW, 0);
    assert_eq!(done.state, ExplanationState::Explained { at: NOW });
    assert_eq!(due(&open, None, Some(&done)), None);
    let first = announced(&open, 1);
    assert_eq!(due(&open, Some(&first), Some(&done)), None);
    let second = announced(&open, 2);
    assert_eq!(due(&open, Some(&second), Some(&done)), Some(Timestamp(0)));
    let again = Explanation::begin(&open, Some(&second), 1, NOW).unwrap();
    assert_eq!(due(&open, Some(&second), Some(&again)), Some(NOW));
    let resolved = Incident {
        status: IncidentStatus::Resolved,
        ..open.clone()
    };
    assert_eq!(due(&resolved, Some(&second), Some(&begun)), None);
    let health = Incident { ci: None, ..open };
    assert_eq!(due(&health, None, None), None);
    assert_eq!(Explanation::begin(&health, None, 1, NOW), None);
}

#[test]
fn tries_are_bounded_and_spread_and_what_puts_them_off_is_none() {
    let (mut it, mut waits) = (begun(), Vec::new());
    loop {
        it = it.tried().after(Next::Later(error(), None), NOW, 0);
        match it.due_at() {
            Some(at) => waits.push(at.since(NOW).as_secs()),
            None => break,
        }
    }
    assert_eq!(waits, [30, 60, 120, 240], "the shorter half of each");
    assert_eq!(it.state, ExplanationState::Failed { error: error() });
    let asked = Some(Duration::from_mins(10));
    let waits = begun().tried().after(Next::Later(error(), asked), NOW, 0);
    assert_eq!(waits.due_at(), Some(NOW.plus(Duration::from_mins(10))));
    let long = Some(Duration::from_hours(99));
    let waits = begun().tried().after(Next::Later(error(), long), NOW, 0);
    assert_eq!(waits.due_at(), Some(NOW.plus(WAIT_MAX)));
    let mut it = begun();
    for _ in 0..100 {
        it = it.tried();
        it = it.after(Next::PutOff(error(), Duration::from_mins(1)), NOW, 0);
    }
    assert_eq!(it.due_at(), Some(NOW.plus(Duration::from_mins(1))));
    let later = NOW.plus(Duration::from_hours(25));
    let it = it.tried();
    let it = it.after(Next::PutOff(error(), Duration::ZERO), later, 0);
    assert_eq!(it.state.as_str(), "failed");
    let never = begun().tried().after(Next::Never(error()), NOW, 0);
    assert_eq!(never.state, ExplanationState::Failed { error: error() });
}

#[test]
fn a_log_that_is_not_there_yet_is_asked_for_once_more() {
    let mut lacking = samples::explained();
    if let Ok(jobs) = &mut lacking.jobs {
        jobs[0].log = Err(Unread::NotFound);
    }
    let read = || Next::Read(Box::new(lacking.clone()));
    let first = begun().tried().after(read(), NOW, 0);
    assert_eq!(first.due_at(), Some(NOW.plus(Duration::from_secs(20))));
    assert_eq!(first.explained, Some(lacking.clone()), "it is shown");
    let second = first.tried().after(read(), NOW, 0);
    assert_eq!(second.state, ExplanationState::Explained { at: NOW });
    let failed = first.tried().after(Next::Later(error(), None), NOW, 0);
    assert_eq!(failed.explained, Some(lacking), "what was read stays");
    assert_eq!(failed.due_at(), None);
}

#[test]
fn an_explanation_is_bounded_and_shows_neither_secrets_nor_hidden_characters() {
    let long = "x".repeat(10_000);
    let secret = "curl ghp_0123456789abcdefghijABCDEFGHIJ0123\u{202e}";
    let job = |n| ExplainedJob {
        id: n,
        name: long.clone(),
        steps: vec![secret.into(), long.clone(), "\u{202e}".into(), long.clone()],
        log: Err(Unread::Beyond),
    };
    let commit = |_| ExplainedCommit {
        sha: long.clone(),
        title: secret.into(),
        author_id: Some(7),
        author: Some(long.clone()),
    };
    let explained = Explained {
        jobs: Ok((0..1000).map(job).collect()),
        commit: Ok(commit(0)),
        request: Err(Unread::NotFound),
        range: Ok(ExplainedRange {
            run: 1,
            base: long.clone(),
            commits: (0..1000).map(commit).collect(),
            has_more: false,
        }),
    };
    let bounded = explained.bounded();
    let jobs = bounded.jobs.as_ref().unwrap();
    assert_eq!(jobs.len(), JOBS_MAX);
    assert_eq!(jobs[0].steps.len(), 3);
    assert_eq!(jobs[0].steps[0], "curl ***");
    assert_eq!(bounded.commit.as_ref().unwrap().title, "curl ***");
    let range = bounded.range.as_ref().unwrap();
    assert!(range.has_more && range.commits.len() == COMMITS_MAX);
    assert!(format!("{bounded:?}").len() < 60_000);
}
