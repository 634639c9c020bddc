//! A dialect of the tests' own: bodies that people can read.

use crate::domain::delivery::Payload;
use crate::domain::event::{Decoded, Event};
use crate::domain::id::HookId;
use crate::domain::incident::Resolution;
use crate::domain::lane::Place;
use crate::domain::lane::place::Ended;
use crate::domain::repo::RepositoryId;
use crate::domain::run::{Conclusion, Family, Position, RunEvent, RunStatus, Twin};
use crate::domain::samples::{self, Seeded};
use crate::domain::time::Timestamp;
use crate::provider::github::GithubDecode;
use crate::provider::gitlab::GitlabDecode;
use crate::provider::{Claim, Decode, DecodeError, Inbound, Proven, Verified, VerifyError};

/// The name of the events of the test's own dialect.
pub(super) const TEST_EVENT: &str = "test";

/// A dialect in which a body is `number attempt conclusion`, the same after the name of a family,
/// `job number attempt id` for a job that failed, `deleted branch seconds`, `renamed name`, `ping`
/// (with the id of a hook after it, or not), `push`, or `panic`. A family may be `suite` (of
/// Actions, with the number as its id) or `of` (a workflow run with the suite of its number).
pub(super) struct TestDecode;

impl Decode for TestDecode {
    fn prove(
        &self,
        _: Inbound<'_>,
        _: &[crate::domain::secret::HookSecret],
        _: crate::domain::secret::Proof,
    ) -> Result<Proven, VerifyError> {
        Err(VerifyError::BadSignature)
    }
    fn describe(&self, inbound: Inbound<'_>, proven: Proven) -> Verified {
        GithubDecode::new(&Seeded::default()).describe(inbound, proven)
    }
    fn claim(&self, _: Inbound<'_>) -> Option<Claim> {
        None
    }
    /// An event's real name is left to the real dialects; whatever repository they are told of is
    /// ours.
    fn decode(&self, event: &str, payload: &Payload) -> Result<Decoded, DecodeError> {
        let repository = Some(RepositoryId(1));
        if event != TEST_EVENT {
            let entropy = Seeded::default();
            let decoded = if event.ends_with(" Hook") {
                GitlabDecode::new(&entropy).decode(event, payload)?
            } else {
                GithubDecode::new(&entropy).decode(event, payload)?
            };
            return Ok(Decoded {
                repository,
                ..decoded
            });
        }
        let text = std::str::from_utf8(&payload.body).map_err(|e| DecodeError(e.to_string()))?;
        let words: Vec<&str> = text.split(' ').collect();
        let event = match words[..] {
            ["ping"] => Event::Pong { hook: None },
            ["ping", hook] => Event::Pong {
                hook: Some(HookId(hook.parse().unwrap())),
            },
            ["push", ..] => Event::Recorded,
            ["panic", ..] => panic!("a poisoned payload"),
            ["renamed", _] => Event::LookNow,
            ["deleted", branch, at] => Event::Ended(Ended {
                places: vec![Place::Branch(branch.to_owned())],
                at: Some(Timestamp(at.parse().unwrap())),
                why: Resolution::BranchDeleted,
            }),
            ["job", number, attempt, id] => Event::Run(Box::new(job_event(
                number.parse().unwrap(),
                attempt.parse().unwrap(),
                id.parse().unwrap(),
            ))),
            [ref before @ .., number, attempt, conclusion] => {
                let position = Position {
                    number: number.parse().unwrap(),
                    attempt: attempt.parse().unwrap(),
                };
                let mut event = run_event(position, conclusion);
                (event.family, event.twin) = match before {
                    ["statuses"] => (Family::Statuses, Twin::None),
                    ["checks"] => (Family::Checks, Twin::None),
                    ["suite"] => (Family::Checks, Twin::OfRun),
                    ["of"] => (Family::Actions, Twin::Suite(position.number)),
                    _ => (Family::Actions, Twin::None),
                };
                if event.twin == Twin::OfRun {
                    event.facts.workflow_key = format!("15368/{}", position.number);
                }
                Event::Run(Box::new(event))
            }
            _ => return Err(DecodeError("not a word of it".into())),
        };
        let repository = if words == ["push", "elsewhere"] {
            999
        } else {
            1
        };
        let repository = Some(RepositoryId(repository));
        let name = match words[..] {
            ["renamed", name] => name,
            _ => "o/r",
        };
        Ok(Decoded {
            repository,
            action: None,
            full_name: Some(name.parse().unwrap()),
            event,
        })
    }
    fn is_known_event(&self, _: &str) -> bool {
        true
    }
    fn default_events(&self) -> &'static [&'static str] {
        &["run"]
    }
    fn is_event_name(&self, _: &str) -> bool {
        true
    }
}

pub(super) fn run_event(position: Position, conclusion: &str) -> RunEvent {
    let status = RunStatus::Completed(Conclusion::from_name(conclusion).unwrap());
    let at = Timestamp(i64::try_from(position.number).unwrap());
    samples::run_event(position, status, at)
}

/// What a failed job tells: of its run's attempt, without the run's number.
fn job_event(number: u64, attempt: u32, id: u64) -> RunEvent {
    let mut event = run_event(Position { number, attempt }, "unknown");
    event.position.number = 0;
    event.status = RunStatus::InProgress;
    event.facts.workflow_key.clear();
    let job = samples::failed_job(id, &format!("job-{id}"), "failure");
    event.failed_jobs.push(job);
    event
}
