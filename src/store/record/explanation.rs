//! The frozen mirror of the explanation of an incident.

use super::codec::Record;
use super::wire::{Wire, codes, mirror, mirror_enum};
use crate::domain::connection::LastError;
use crate::domain::excerpt::Excerpt;
use crate::domain::explanation::{
    Explained, ExplainedCommit, ExplainedJob, ExplainedRange, ExplainedRequest, Explanation,
    ExplanationState, Part, Unread,
};
use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::time::Timestamp;

codes!(Unread {
    0 = NotFound, 1 = Gone, 2 = Refused, 3 = TooLong, 4 = Failed, 5 = Empty, 6 = Off, 7 = Beyond,
    8 = NoJobs, 9 = NoBranch, 10 = NoPassedRun, 11 = Diverged,
});

impl<T: Wire> Wire for Part<T> {
    type Plain = Result<T::Plain, u8>;
    fn to_wire(&self) -> Self::Plain {
        self.as_ref().map(T::to_wire).map_err(Unread::to_wire)
    }
    fn from_wire(plain: Self::Plain) -> Option<Self> {
        match plain {
            Ok(part) => T::from_wire(part).map(Ok),
            Err(why) => Unread::from_wire(why).map(Err),
        }
    }
}

mirror!(ExcerptV1 of Excerpt { text: String, is_cut: bool });
mirror!(ExplainedJobV1 of ExplainedJob {
    id: u64,
    name: String,
    steps: Vec<String>,
    log: Part<Excerpt>,
});
mirror!(ExplainedCommitV1 of ExplainedCommit {
    sha: String,
    title: String,
    author_id: Option<u64>,
    author: Option<String>,
});
mirror!(ExplainedRequestV1 of ExplainedRequest {
    number: u64,
    title: String,
    author_id: Option<u64>,
    author: Option<String>,
});
mirror!(ExplainedRangeV1 of ExplainedRange {
    run: u64,
    base: String,
    commits: Vec<ExplainedCommit>,
    has_more: bool,
});
mirror!(ExplainedV1 of Explained {
    jobs: Part<Vec<ExplainedJob>>,
    commit: Part<ExplainedCommit>,
    request: Part<ExplainedRequest>,
    range: Part<ExplainedRange>,
});
mirror_enum!(ExplanationStateV1 of ExplanationState {
    Pending { tries: u32, due_at: Timestamp, error: Option<LastError> },
    Explained { at: Timestamp },
    Failed { error: LastError },
});
mirror!(ExplanationV1 of Explanation {
    incident: IncidentId,
    connection: ConnectionId,
    episode: u32,
    run: RunId,
    attempt: u32,
    begun_at: Timestamp,
    state: ExplanationState,
    explained: Option<Explained>,
});

impl Record for Explanation {
    const VERSION: u8 = 1;
    const KIND: &'static str = "explanation";
}

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::error_code::ErrorCode;
    use crate::domain::explanation::samples;

    #[test]
    fn explanations_come_back() {
        round(Unread::ALL.to_vec());
        let error = LastError {
            code: ErrorCode::RateLimited,
            message: "wait".into(),
            at: Timestamp(7),
        };
        let whole = samples::explanation(1, 9);
        let states = [
            ExplanationState::Pending {
                tries: 0,
                due_at: Timestamp(9),
                error: None,
            },
            ExplanationState::Pending {
                tries: 3,
                due_at: Timestamp(-9),
                error: Some(error.clone()),
            },
            ExplanationState::Failed { error },
        ];
        let begun = states.map(|state| Explanation {
            state,
            explained: None,
            ..whole.clone()
        });
        let lacking = Explained {
            jobs: Err(Unread::NoJobs),
            commit: Err(Unread::NotFound),
            request: Err(Unread::Refused),
            range: Err(Unread::NoPassedRun),
        };
        let lacking = Explanation {
            explained: Some(lacking),
            ..whole.clone()
        };
        round(begun.into_iter().chain([whole, lacking]).collect());
    }
}
