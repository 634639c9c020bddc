//! Making a provider call, and converting its result into an input.

use super::plan::{Edit, Sight, asked_to_reconcile};
use crate::actor::secrets::{hook_mark, hook_spec, target};
use crate::actor::services::Services;
use crate::credentials::{About, Ports, Refusal, SOON};
use crate::domain::connection::{Connection, CredentialUse, LastError, NO_ACCESS_MAX};
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::history::Made;
use crate::domain::id::HookId;
use crate::domain::ledger::{Asked, AskedBy};
use crate::domain::lifecycle::{Call, Certainty, Failure, Input, Reply, Revision};
use crate::domain::secret::Proof;
use crate::domain::standing::Fingerprint;
use crate::domain::wording;
use crate::provider::{
    Access, CheckReport, Checked, Ensured, HookSpec, Hooks, Pinged, ProviderError, Repaired,
};
use crate::store::{Change, ReadError};
use std::sync::Arc;

/// The result of a call.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) input: Input,
    pub(super) edit: Box<Edit>,
}

/// The urgency of a call. Users wait for their requests, and for the first hook of a new
/// connection.
pub(super) fn priority(connection: &Connection, call: Call, is_awaited: bool) -> Priority {
    let is_new = connection.hook_created_at.is_none() && connection.last_error.is_none();
    match call {
        _ if is_awaited => Priority::Person,
        Call::Ensure { .. } if is_new => Priority::Person,
        // The hook works with its former secret, too.
        Call::Repair { .. } if connection.lacks_only_its_secret() => Priority::Check,
        Call::Ensure { .. } | Call::Repair { .. } | Call::Delete { .. } => Priority::Repair,
        Call::Check(_) | Call::Ping(_) => Priority::Check,
    }
}

/// Makes a call with the credential that fits now, about a hook that may have these events still.
/// Never fails: failures are inputs, too.
pub(super) async fn make(
    services: Arc<Services>,
    connection: Connection,
    (call, former_events): (Call, Vec<Vec<String>>),
    priority: Priority,
) -> Called {
    let owner = connection.owner;
    let errand = Errand { owner, priority };
    let (usable, others) = match services.pool.candidates_of(&connection).await {
        Ok(candidates) => match candidates.split_first() {
            Some((first, others)) => (*first, others.to_vec()),
            None => return failed(&services, &no_credential()),
        },
        Err(error) => {
            let code = ErrorCode::StoreUnavailable;
            let error = ProviderError::retryable(code, error.to_string(), None, false);
            return failed(&services, &error);
        }
    };
    let hooks = services
        .ports
        .providers
        .hooks(&connection.instance)
        .cloned();
    let Some(hooks) = hooks else {
        let (failure, code) = (Failure::Rejected, ErrorCode::NotConfigured);
        let error = ProviderError::refused(failure, code, wording::PROVIDER_NOT_CONFIGURED);
        return failed(&services, &error);
    };
    let found = match found(&services, &connection, call, former_events).await {
        Ok(found) => found,
        Err(error) => {
            let code = ErrorCode::StoreUnavailable;
            let error = ProviderError::retryable(code, error.to_string(), None, false);
            return failed(&services, &error);
        }
    };
    let about = About {
        instance: &connection.instance,
        connection: Some(connection.id),
    };
    let called = services.pool.call(about, (usable, errand), |access| {
        let (ports, hooks, connection) = (&services.ports, &*hooks, &connection);
        let found = found.clone();
        async move { carry_out(ports, hooks, connection, &access, (call, found)).await }
    });
    match called.await {
        Ok((reply, mut edit)) => {
            edit.succeeded = true;
            edit.credential_used = Some(usable);
            Called {
                input: Input::Replied(reply),
                edit: Box::new(edit),
            }
        }
        Err(refused) => match refused.why {
            // A dead credential is not the end while there is another.
            Refusal::Dead if !others.is_empty() => failed(&services, &soon(refused.error)),
            Refusal::Failed if refused.error.failure == Failure::NoAccess => {
                without_access(&services, &connection, usable, &others, refused.error)
            }
            Refusal::Dead
            | Refusal::NoToken
            | Refusal::Replaced
            | Refusal::Unclear
            | Refusal::Failed => failed(&services, &refused.error),
        },
    }
}

fn no_credential() -> ProviderError {
    let words = wording::NO_CREDENTIAL;
    ProviderError::refused(Failure::Unauthorized, ErrorCode::NoCredential, words)
}

fn failed(services: &Services, error: &ProviderError) -> Called {
    let (failure, may_have_acted) = (error.failure, error.may_have_acted);
    let last_error = LastError {
        code: error.code,
        message: error.message.clone(),
        at: services.ports.now(),
    };
    let edit = Edit {
        last_error: Some(last_error),
        ..Edit::default()
    };
    Called {
        input: Input::CallFailed {
            failure,
            may_have_acted,
        },
        edit: Box::new(edit),
    }
}

/// Another credential is tried at once.
fn soon(mut error: ProviderError) -> ProviderError {
    error.failure = Failure::Retryable { after: Some(SOON) };
    error
}

/// The credential cannot manage this repository's hooks: that is stored, and another is tried if
/// one is untried. When all were tried, the next attempt, which comes slowly, starts again.
fn without_access(
    services: &Services,
    connection: &Connection,
    usable: CredentialUse,
    others: &[CredentialUse],
    mut error: ProviderError,
) -> Called {
    let mut no_access = connection.no_access.clone();
    if !no_access.contains(&usable.id()) && no_access.len() < NO_ACCESS_MAX {
        no_access.push(usable.id());
    }
    let is_untried = |other: &CredentialUse| !no_access.contains(&other.id());
    if connection.no_access.len() < NO_ACCESS_MAX && others.iter().any(is_untried) {
        error = soon(error);
    } else {
        no_access.clear();
    }
    let mut called = failed(services, &error);
    called.edit.no_access = Some(no_access);
    called
}

/// What a call may find. A connection without a hook may take one of others.
async fn found(
    services: &Services,
    connection: &Connection,
    call: Call,
    former_events: Vec<Vec<String>>,
) -> Result<Found, ReadError> {
    let takes = match call {
        Call::Ensure { .. } => {
            let takeover = services.ports.store.takeover(connection.id).await?;
            takeover.and_then(|takeover| takeover.adopts)
        }
        Call::Check(_) | Call::Repair { .. } | Call::Ping(_) | Call::Delete { .. } => None,
    };
    Ok(Found {
        takes,
        former_events,
    })
}

/// What a write may find at the provider, apart from our hook as it should be.
#[derive(Clone)]
struct Found {
    /// A hook of others that becomes ours.
    takes: Option<(HookId, Fingerprint)>,
    /// See [`HookSpec::former_events`].
    former_events: Vec<Vec<String>>,
}

async fn carry_out(
    ports: &Ports,
    hooks: &dyn Hooks,
    connection: &Connection,
    access: &Access,
    (call, found): (Call, Found),
) -> Result<(Reply, Edit), ProviderError> {
    let target = target(connection);
    let spec = || {
        let spec = hook_spec(ports, connection).ok_or_else(unreadable)?;
        let (takes, former_events) = (found.takes, found.former_events.clone());
        Ok(HookSpec {
            former_events,
            takes,
            ..spec
        })
    };
    match call {
        Call::Ensure { known, revision } => {
            let spec = spec()?;
            let ensured = hooks.ensure(access, &target, known, &spec).await?;
            Ok(judge_ensured(ports, connection, (known, revision), ensured))
        }
        Call::Check(hook) => {
            let (spec, seen) = (spec()?, connection.seen.as_ref());
            let found = hooks.check(access, &target, hook, &spec, seen).await?;
            Ok(judge(ports, connection, found))
        }
        Call::Repair { hook, revision } => {
            match hooks.repair(access, &target, hook, &spec()?).await? {
                Repaired::Done { proof, was_changed } => {
                    let mut edit = written(ports, proof);
                    let asked = unsent(ports, connection, was_changed);
                    edit.changes
                        .extend(asked.or_else(|| refused(ports, connection)));
                    Ok((Reply::Repaired { revision }, edit))
                }
                Repaired::Missing => Ok(plain(missing(ports))),
            }
        }
        Call::Ping(hook) => {
            let reply = match hooks.ping(access, &target, hook).await? {
                Pinged::Sent => Reply::Pinged,
                Pinged::Untestable => Reply::Untestable,
            };
            Ok(plain(reply))
        }
        Call::Delete { known } => {
            hooks
                .delete(access, &target, known, &hook_mark(connection))
                .await?;
            Ok(plain(Reply::Deleted { known }))
        }
    }
}

/// The meaning of a hook that is there, with all settings written.
fn judge_ensured(
    ports: &Ports,
    connection: &Connection,
    (known, revision): (Option<HookId>, Revision),
    ensured: Ensured,
) -> (Reply, Edit) {
    let (id, hook, was_changed) = (connection.id, ensured.hook, ensured.was_changed);
    let made = if ensured.created {
        let repository = &connection.full_name;
        tracing::info!(connection.id = %id, %repository, hook.id = hook.0, "webhook_created");
        Made::Created
    } else {
        tracing::debug!(connection.id = %id, hook.id = hook.0, "webhook_confirmed");
        Made::Found
    };
    let mut edit = Edit {
        repository: Some(ensured.repository),
        others: Some(ensured.others),
        made: Some(made),
        ..written(ports, ensured.proof)
    };
    // A hook that is new here: what ran before it is found by listing.
    if connection.lifecycle.hook.id() == Some(hook) {
        edit.changes.extend(unsent(ports, connection, was_changed));
    } else {
        let asked = Asked {
            unsent_since: connection.last_check_at,
            ..asked_to_reconcile(id, ports.now(), AskedBy::Hook)
        };
        edit.changes.push(Change::AskReconcile(asked));
    }
    let reply = Reply::Ensured {
        hook,
        known,
        revision,
    };
    (reply, edit)
}

/// The hook was found changed or missing, and is whole again: since it was last found whole, the
/// provider may not have sent, and then its log shows nothing. What a call found whose answer was
/// lost is unknown, and what it wrote hides it.
fn unsent(ports: &Ports, connection: &Connection, was_changed: bool) -> Option<Change> {
    let l = &connection.lifecycle;
    let may_have = l.ill || was_changed || l.certainty != Certainty::Sure;
    let since = connection.last_check_at.filter(|_| may_have);
    let asked = Asked {
        unsent_since: Some(since?),
        ..asked_to_reconcile(connection.id, ports.now(), AskedBy::Hook)
    };
    Some(Change::AskReconcile(asked))
}

/// The settings are written because signatures were wrong: what was refused for that may have been
/// authentic, and stands in the provider's log.
fn refused(ports: &Ports, connection: &Connection) -> Option<Change> {
    let now = ports.now();
    let is_recent = connection.suspicion.is_some_and(|it| !it.may_recur(now));
    let asked = asked_to_reconcile(connection.id, now, AskedBy::Hook);
    is_recent.then_some(Change::AskReconcile(asked))
}

/// All settings are written, and the hook delivers to our current address.
fn written(ports: &Ports, proof: Proof) -> Edit {
    Edit {
        proof: Some(proof),
        checked: true,
        address: Some(ports.public_url.clone()),
        sight: Some(Sight::Lost),
        ..Edit::default()
    }
}

/// The meaning of a check's result.
fn judge(ports: &Ports, connection: &Connection, found: Checked) -> (Reply, Edit) {
    let (mut address, mut drift) = (None, Vec::new());
    let (reply, checked) = match found.report {
        CheckReport::Intact => {
            address = Some(ports.public_url.clone());
            (Reply::Intact, true)
        }
        // At a former address of ours: it is moved when its turn comes.
        CheckReport::Drifted {
            former_address: Some(former),
            ..
        } if connection.address.as_ref().is_none_or(|at| *at == former) => {
            address = Some(former);
            (Reply::Intact, true)
        }
        CheckReport::Drifted { fields, .. } => {
            let id = connection.id;
            tracing::warn!(connection.id = %id, ?fields, "the hook was changed");
            drift = fields;
            (Reply::Drifted, false)
        }
        CheckReport::Disabled { permanently, until } => {
            let id = connection.id;
            let until_ms = until.map(|until| until.0);
            tracing::warn!(
                connection.id = %id,
                permanently,
                until_ms,
                "the provider has disabled the hook"
            );
            (Reply::Disabled { permanently }, false)
        }
        CheckReport::Missing => (missing(ports), false),
    };
    let edit = Edit {
        repository: found.repository,
        others: found.others,
        checked,
        address,
        drift,
        sight: Some(found.seen.map_or(Sight::Lost, Sight::Seen)),
        ..Edit::default()
    };
    (reply, edit)
}

/// A reply that changes nothing else.
fn plain(reply: Reply) -> (Reply, Edit) {
    (reply, Edit::default())
}

fn missing(ports: &Ports) -> Reply {
    Reply::Missing { at: ports.now() }
}

fn unreadable() -> ProviderError {
    let words = wording::HOOK_SECRET_SEALED;
    ProviderError::refused(Failure::Rejected, ErrorCode::CannotOpenSecret, words)
}
