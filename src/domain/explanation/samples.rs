//! Explanations for tests.

use super::{
    Explained, ExplainedCommit, ExplainedJob, ExplainedRange, ExplainedRequest, Explanation,
    ExplanationState,
};
use crate::domain::excerpt::Excerpt;
use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::incident::Incident;
use crate::domain::samples;
use crate::domain::time::Timestamp;

/// An open incident about a push to `main`, of run 3.
pub(crate) fn ci_incident(id: u128, connection: u128) -> Incident {
    let connection = ConnectionId::from_u128(connection);
    Incident {
        ci: Some(samples::ci_failure(RunId::from_u128(3), connection)),
        ..samples::incident(IncidentId::from_u128(id), connection)
    }
}

fn commit(number: u64, title: &str) -> ExplainedCommit {
    ExplainedCommit {
        sha: format!("{number:040x}"),
        title: title.into(),
        author_id: Some(4001),
        author: Some("ann".into()),
    }
}

/// All parts, with two commits since the last run that passed.
pub(crate) fn explained() -> Explained {
    let job = ExplainedJob {
        id: 11,
        name: "unit".into(),
        steps: vec!["Run make test".into()],
        log: Ok(Excerpt {
            text: "make: *** [test] Error 1\n".into(),
            is_cut: true,
        }),
    };
    Explained {
        jobs: Ok(vec![job]),
        commit: Ok(commit(5, "Add the cache")),
        request: Ok(ExplainedRequest {
            number: 17,
            title: "A cache".into(),
            author_id: Some(4001),
            author: Some("ann".into()),
        }),
        range: Ok(ExplainedRange {
            run: 900_001,
            base: format!("{:040x}", 3),
            commits: vec![commit(5, "Add the cache"), commit(4, "Fix a word")],
            has_more: false,
        }),
    }
}

/// The explanation of an incident, which has ended.
pub(crate) fn explanation(incident: u128, connection: u128) -> Explanation {
    let at = Timestamp(5);
    Explanation {
        incident: IncidentId::from_u128(incident),
        connection: ConnectionId::from_u128(connection),
        episode: 1,
        run: RunId::from_u128(3),
        attempt: 1,
        begun_at: at,
        state: ExplanationState::Explained { at },
        explained: Some(explained()),
    }
}
