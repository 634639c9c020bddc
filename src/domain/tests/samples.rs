//! Records for tests: a test gives the fields that it is about. And predictable chance.

use crate::domain::connection::{Connection, LastError};
use crate::domain::delivery::{BodyDigest, Delivery, DeliveryState, Payload, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::expiry::Expiry;
use crate::domain::grant::Grant;
use crate::domain::history::{Entry, EntryKind, Evidence, History, Reaction};
use crate::domain::id::{
    ConnectionId, CredentialId, DeliveryId, Entropy, GapId, HookId, HookKey, IncidentId,
    NotificationId, OperationId, RunId, SinkId, TokenId, UserId,
};
use crate::domain::incident::care::Care;
use crate::domain::incident::track::TrackKey;
use crate::domain::incident::{
    CiFailure, Incident, IncidentSource, IncidentStatus, Severity, Subject,
};
use crate::domain::lane::{Code, Lane};
use crate::domain::ledger::{
    Deferral, Deferred, Gap, GapCause, Ledger, Loss, Marks, Missing, Sight, Stretch,
};
use crate::domain::notification::{Notification, NotificationKind, NotificationState, Topic};
use crate::domain::operation::{Action, Operation, OperationState, Selection, Tally};
use crate::domain::outage::ProviderOutage;
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::rulebook::opening::Opening;
use crate::domain::rulebook::quiet::{Day, QuietHours, Span};
use crate::domain::rulebook::{About, Remind, Rule, Rulebook, Then, When};
use crate::domain::run::{
    BranchKind, Conclusion, FailedJob, Family, Position, Run, RunEvent, RunFacts, RunStatus, Twin,
};
use crate::domain::secret::{HookSecret, Sealed};
use crate::domain::sink::template::Templates;
use crate::domain::sink::{Sink, SinkKind, SinkState, Wants};
use crate::domain::standing::Fingerprint;
use crate::domain::takeover::{Other, OtherState, Replace, Takeover};
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, Credential, TokenRecord, User};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// When everything here was made.
const AT: Timestamp = Timestamp(1);
/// The owner of everything here for which no other is given.
pub(crate) const ANN: UserId = UserId::from_u128(1);

/// Chance that fills in this byte.
#[derive(Debug)]
pub(crate) struct Same(pub(crate) u8);

impl Entropy for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// Chance that is never twice the same, and alike in each run.
#[derive(Debug, Default)]
pub(crate) struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let seed = self.0.fetch_add(1, Ordering::SeqCst);
        noise(seed, bytes);
    }
}

/// Fills in bytes that follow from a number and do not compress.
pub(crate) fn noise(seed: u64, bytes: &mut [u8]) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(bytes);
}

pub(crate) fn secret(fill: char) -> HookSecret {
    HookSecret::new(fill.to_string().repeat(64)).unwrap()
}

pub(crate) fn instance(host: &str) -> Instance {
    Instance {
        provider: ProviderKind::Github,
        host: host.parse().unwrap(),
    }
}

pub(crate) fn github() -> Instance {
    instance("github.com")
}

pub(crate) fn connection(id: u128, full_name: &str) -> Connection {
    let key = HookKey::from_bytes([id.to_le_bytes()[0]; 20]);
    let (id, full_name) = (ConnectionId::from_u128(id), full_name.parse().unwrap());
    Connection::new(id, ANN, github(), full_name, key, AT)
}

/// An operation of Ann's with so many items, none of them begun.
pub(crate) fn operation(id: u128, action: Action, total: u32) -> Operation {
    Operation {
        id: OperationId::from_u128(id),
        owner: ANN,
        asked_by: ANN,
        asked_at: AT,
        action,
        selection: Selection::default(),
        total,
        position: 0,
        open: Vec::new(),
        tally: Tally::default(),
        failures: Vec::new(),
        started_at: None,
        state: OperationState::Queued,
    }
}

pub(crate) fn user(id: UserId, name: &str) -> User {
    User {
        id,
        name: name.into(),
        is_admin: false,
        created_at: AT,
        removal: None,
    }
}

/// An API token; its hash follows from its id.
pub(crate) fn token(id: u8, user: UserId) -> TokenRecord {
    TokenRecord {
        id: TokenId::from_u128(id.into()),
        user,
        hash: [id; 32],
        created_at: AT,
        name: None,
        expires_at: None,
        last_used_at: None,
    }
}

pub(crate) fn credential(id: u128, owner: UserId) -> Credential {
    Credential {
        id: CredentialId::from_u128(id),
        owner,
        instance: github(),
        account: Account {
            id: 7,
            login: "ann".into(),
        },
        scopes: Vec::new(),
        grant: Grant::Token {
            token: Sealed(vec![1]),
        },
        is_shared: false,
        created_at: AT,
        rejected: None,
        expiry: Some(Expiry::default()),
    }
}

/// A delivery; its digest, its time and the provider's id of it follow from its number.
pub(crate) fn delivery(n: u32, connection: ConnectionId) -> Delivery {
    Delivery {
        id: DeliveryId::from_u128(n.into()),
        connection,
        owner: ANN,
        provider_delivery_id: format!("guid-{n}"),
        event: "push".into(),
        action: None,
        received_at: Timestamp(n.into()),
        body_digest: BodyDigest::Blake3(*blake3::hash(&n.to_le_bytes()).as_bytes()),
        body_bytes: 2,
        source: Source::Webhook,
        signed_by: None,
        state: DeliveryState::Received,
        tries: 0,
    }
}

/// A body without headers.
pub(crate) fn payload(body: impl Into<Vec<u8>>) -> Payload {
    Payload {
        headers: Vec::new(),
        body: body.into().into(),
    }
}

pub(crate) fn failed_job(id: u64, name: &str, reason: &str) -> FailedJob {
    FailedJob {
        id,
        name: name.into(),
        stage: None,
        reason: Some(reason.into()),
    }
}

/// Of a push to `main`.
pub(crate) fn facts() -> RunFacts {
    RunFacts {
        workflow_key: "7".into(),
        workflow_name: "CI".into(),
        lane: Lane::of_branch("push", "main".into()),
        code: Code::Own,
        head: None,
        branch: Some("main".into()),
        commit_sha: "c".repeat(40),
        commit_message: None,
        author: None,
        trigger: "push".into(),
        url: None,
        branch_kind: BranchKind::Default,
    }
}

/// An event of a workflow run, whose id is its number.
pub(crate) fn run_event(position: Position, status: RunStatus, at: Timestamp) -> RunEvent {
    RunEvent {
        provider_run_id: position.number,
        position,
        status,
        updated_at: at,
        began_at: at,
        family: Family::Actions,
        twin: Twin::None,
        parent: None,
        commit: None,
        failed_jobs: Vec::new(),
        facts: facts(),
    }
}

/// A workflow run that failed.
pub(crate) fn failed_run(id: RunId, connection: ConnectionId, number: u64) -> Run {
    Run {
        id,
        connection,
        owner: ANN,
        family: Family::Actions,
        provider_run_id: number,
        position: Position { number, attempt: 1 },
        status: RunStatus::Completed(Conclusion::Failure),
        updated_at: AT,
        suite: None,
        failed_jobs: BTreeMap::new(),
        facts: facts(),
        first_seen_at: AT,
    }
}

/// What an incident says of such a run.
pub(crate) fn ci_failure(run: RunId, connection: ConnectionId) -> CiFailure {
    let facts = facts();
    CiFailure {
        run,
        family: Family::Actions,
        track: TrackKey::of(connection, Family::Actions, &facts),
        workflow_name: facts.workflow_name,
        head: None,
        branch: facts.branch,
        trigger: facts.trigger,
        commit_sha: facts.commit_sha,
        commit_message: None,
        author: None,
        url: None,
        failed_jobs: Vec::new(),
    }
}

pub(crate) fn incident(id: IncidentId, connection: ConnectionId) -> Incident {
    Incident {
        id,
        owner: ANN,
        subject: Subject::Connection(connection),
        repository: None,
        status: IncidentStatus::Open,
        severity: Severity::Error,
        source: IncidentSource::Webhook,
        failure_type: "failure".into(),
        title: "CI failed".into(),
        ci: None,
        affected: None,
        occurrences: 1,
        first_seen_at: AT,
        last_seen_at: AT,
        acknowledged_at: None,
        resolved_at: None,
        resolution: None,
        is_flaky: false,
        is_flapping: false,
        care: Care::default(),
    }
}

pub(crate) fn sink(id: SinkId) -> Sink {
    Sink {
        id,
        owner: ANN,
        name: "team chat".into(),
        kind: SinkKind::Webhook,
        host: "chat.example".into(),
        target: Sealed(vec![1]),
        address: 0,
        wants: Wants::default(),
        templates: Templates::default(),
        digest: None,
        state: SinkState::Enabled,
        hold_until: None,
        failing_since: None,
        created_at: AT,
    }
}

pub(crate) fn notification(id: u128, incident: IncidentId, sink: SinkId) -> Notification {
    Notification {
        id: NotificationId::from_u128(id),
        owner: ANN,
        topic: Topic::Incident(incident),
        sink,
        kind: NotificationKind::Opened,
        planned_at: AT,
        tries: 0,
        state: NotificationState::Waiting {
            due_at: AT,
            is_unsure: false,
            tried_at: None,
            error: None,
        },
    }
}

/// Rules with every condition and every setting.
pub(crate) fn rulebook(owner: UserId) -> Rulebook {
    let texts = |text: &str| vec![text.to_owned()];
    let when = When {
        about: Some(About::Ci),
        repositories: texts("octo/*"),
        connections: vec![ConnectionId::from_u128(3)],
        branches: texts("main"),
        workflows: texts("ci*"),
        triggers: texts("push"),
        failures: texts("failure"),
        severities: vec![Severity::Error],
    };
    let then = Then {
        severity: None,
        sinks: Some(vec![SinkId::from_u128(5)]),
        delay: Some(60),
        remind: Some(Remind::Every(3600)),
        quiet: Some(false),
    };
    let severe = Then {
        severity: Some(Severity::Critical),
        ..Then::default()
    };
    let rule = |name: &str, when, then| Rule {
        name: name.into(),
        when,
        then,
    };
    Rulebook {
        owner,
        version: 7,
        changed_at: AT,
        quiet: Some(QuietHours {
            time_zone: "Europe/Berlin".into(),
            spans: vec![Span {
                days: vec![Day::Friday],
                from: 22 * 60,
                to: 7 * 60,
            }],
            passes: Some(Severity::Critical),
        }),
        rules: vec![rule("team", when, then), rule("", When::default(), severe)],
        opening: vec![Opening {
            repositories: texts("octo/*"),
            connections: vec![ConnectionId::from_u128(3)],
            conclusions: Some(vec![Conclusion::Failure, Conclusion::Cancelled]),
            branches: Some(texts("main")),
            ignored_branches: Some(texts("wip/*")),
            workflows: texts("ci*"),
            triggers: texts("push"),
        }],
    }
}

/// An outage of a provider that lasts.
pub(crate) fn outage() -> ProviderOutage {
    let error = LastError {
        code: ErrorCode::ProviderTimeout,
        message: "late".into(),
        at: AT,
    };
    let mut outage = ProviderOutage::begun(instance("github.com"), AT, error, None, Timestamp(5));
    (outage.probes, outage.connections) = (2, 7);
    outage
}

/// A gap of Ann's in which three deliveries were missed: two were recovered.
pub(crate) fn gap(id: u128, connection: ConnectionId) -> Gap {
    let times = (GapCause::Down, AT, Timestamp(60_001));
    let mut gap = Gap::new(GapId::from_u128(id), connection, ANN, times);
    gap.missing(3);
    gap.recovered();
    gap.recovered();
    gap.lost(Loss::PayloadGone);
    gap.logged_from = Some(Timestamp(11));
    gap.close(Timestamp(70_000), 0);
    gap
}

/// A stretch of a log from one attempt down to another.
pub(crate) fn stretch(top: u64, bottom: u64) -> Stretch {
    Stretch {
        top,
        bottom,
        count: top - bottom + 1,
        page: format!("page of {bottom}"),
        sight: Sight {
            began: AT,
            newest: Some(top),
            newest_at: Some(AT),
        },
        is_unsure: false,
    }
}

/// A delivery that could not be read.
pub(crate) fn deferred(attempt: u64, state: Deferral) -> Deferred {
    Deferred {
        missing: Missing {
            delivery_id: format!("guid-{attempt}"),
            event: "push".into(),
            at: Some(AT),
            attempts: vec![attempt],
            cause: GapCause::Unreachable,
        },
        gap: Some(GapId::from_u128(7)),
        state,
    }
}

/// A history of Ann's: a drift with everything that an entry can have, and its repair.
pub(crate) fn history(connection: ConnectionId) -> History {
    let mut history = History::new(connection, ANN);
    let drifted = Entry {
        fields: vec!["events".into()],
        hook: Some(HookId(7)),
        from: Some("a".into()),
        to: Some("b".into()),
        code: Some(ErrorCode::NoAccess),
        reaction: Reaction::Repair,
        ..Entry::new(EntryKind::Drifted, Evidence::Check, AT)
    };
    history.add(drifted.clone(), AT);
    history.add(drifted, AT);
    let repaired = Entry::new(EntryKind::Repaired, Evidence::Write, Timestamp(2));
    history.add(repaired, AT);
    history
}

/// What a connection of Ann's does about hooks of others, with everything in it.
pub(crate) fn takeover(connection: ConnectionId) -> Takeover {
    let other = |id, state, code| Other {
        hook: HookId(id),
        fingerprint: Fingerprint::from_bytes([7; 16]),
        url: "https://hooks.example/old".into(),
        state,
        code,
    };
    Takeover {
        adopts: Some((HookId(5), Fingerprint::from_bytes([5; 16]))),
        replaces: Some(Replace::SameReceiver),
        others: vec![
            other(6, OtherState::Found, None),
            other(7, OtherState::Refused, Some(ErrorCode::NoAccess)),
        ],
        ..Takeover::new(connection, ANN, AT)
    }
}

/// A ledger of Ann's with everything in it but a gap.
pub(crate) fn ledger(connection: ConnectionId) -> Ledger {
    Ledger {
        hook: Some(HookId(7)),
        marks: Marks {
            settled_at: Some(AT),
            settled: Some(5),
            newest: Some((9, AT)),
        },
        read_at: Some(AT),
        failures: 2,
        deferred: vec![deferred(6, Deferral::GivenUp)],
        behind_since: Some(AT),
        counted_to: Some(AT),
        answered: Some(AT),
        ..Ledger::new(connection, ANN, Timestamp(9))
    }
}
