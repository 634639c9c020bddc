//! Messages for the tests of all kinds.

use super::super::deliver::Message;
use super::{Zone, outbound};
use crate::domain::explanation::{Explained, samples};
use crate::domain::id::{ConnectionId, IncidentId, NotificationId, RunId};
use crate::domain::incident::{Incident, IncidentStatus, Resolution};
use crate::domain::net::allowed::Allowed;
use crate::domain::notification::NotificationKind;
use crate::domain::samples::{ci_failure, failed_job, incident};
use crate::domain::sink::template::Templates;
use crate::domain::time::Timestamp;
use crate::notify::template::{self, About};
use crate::notify::{Outbound, Words};
use std::sync::Arc;
use std::time::Duration;

/// One that calls nothing that is not of the internet, and finds no name.
pub(in crate::notify) fn closed() -> Outbound {
    outbound(&Allowed::default(), &Arc::new(Zone::default()))
}

const BEGUN: Timestamp = Timestamp(1_700_000_000_000);

/// An incident about failing CI.
fn failing() -> Incident {
    let connection = ConnectionId::from_u128(2);
    let mut ci = ci_failure(RunId::from_u128(3), connection);
    ci.workflow_name = "build".to_owned();
    ci.commit_sha = "0123abcd".repeat(5);
    ci.commit_message = Some("Add the cache\n\nIt was slow.".to_owned());
    ci.author = Some("ann".to_owned());
    ci.url = Some("https://github.com/octo/app/actions/runs/9001".to_owned());
    ci.failed_jobs = vec![
        failed_job(1, "test (linux)", "failure"),
        failed_job(2, "lint", "failure"),
    ];
    Incident {
        title: "CI failed: build on main".to_owned(),
        repository: "octo/app".parse().ok(),
        ci: Some(ci),
        occurrences: 2,
        first_seen_at: BEGUN,
        last_seen_at: BEGUN.plus(Duration::from_secs(20)),
        ..incident(IncidentId::from_u128(1), connection)
    }
}

/// What the provider says about it.
fn explained() -> Explained {
    let mut explained = samples::explained();
    if let Ok([job]) = explained.jobs.as_deref_mut() {
        "test (linux)".clone_into(&mut job.name);
    }
    explained
}

/// An incident is opened.
pub(in crate::notify) fn message() -> Message {
    Message {
        id: NotificationId::from_u128(5),
        kind: NotificationKind::Opened,
        incident: failing(),
        explained: Some(explained()),
        episode: 1,
        at: BEGUN.plus(Duration::from_secs(30)),
        expires_at: BEGUN.plus(Duration::from_secs(270)),
        shown_as: None,
        words: Words::default(),
    }
}

/// It flaps, and the sink shows that it is open.
pub(in crate::notify) fn flapping() -> Message {
    let incident = Incident {
        is_flapping: true,
        ..failing()
    };
    Message {
        kind: NotificationKind::Flapping,
        incident,
        shown_as: Some("1234".to_owned()),
        ..message()
    }
}

/// It is resolved, and the sink shows it.
pub(in crate::notify) fn resolved() -> Message {
    let incident = Incident {
        status: IncidentStatus::Resolved,
        resolved_at: Some(BEGUN.plus(Duration::from_mins(1))),
        resolution: Some(Resolution::Passed(RunId::from_u128(4))),
        ..failing()
    };
    Message {
        kind: NotificationKind::Resolved,
        incident,
        shown_as: Some("1234".to_owned()),
        ..message()
    }
}

/// Opened, in the words of templates.
pub(in crate::notify) fn templated() -> Message {
    let templates = Templates {
        title: Some("{{ repository }}@{{ branch }} is red".to_owned()),
        text: Some(
            "{% if critical %}\nWake up!\n{% endif %}\n\
             {{ failed_step | default(failed_jobs) }}\n\n\
             - {{ commit }} *{{ commit_title }}* by {{ author | upper }}\n\
             1. {{ occurrences }} times, see {{ run_url }}"
                .to_owned(),
        ),
    };
    let mut message = message();
    let (words, failed) = template::words(&templates, &About::from(&message));
    assert_eq!(failed, None);
    message.words = words;
    message
}
