//! Making a provider call, and turning its answer into an input.

use crate::actor::keeper::{self, Verdict};
use crate::actor::plan::Edit;
use crate::actor::shared::{World, hook_mark, target};
use crate::domain::connection::{Connection, CredentialUse, LastError, NO_ACCESS_MAX};
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::{Call, Failure, Input, Reply};
use crate::domain::secret::Proof;
use crate::domain::wording;
use crate::provider::{Access, CheckReport, Checked, Hooks, Pinged, ProviderError, Repaired};
use std::sync::Arc;
use std::time::Duration;

/// How a call ended.
pub(super) struct Called {
    pub(super) input: Input,
    pub(super) edit: Box<Edit>,
}

/// Another credential is tried after so short a time.
const NEXT_CREDENTIAL: Duration = Duration::from_millis(100);

/// How urgent a call is. A person waits for what they asked for, and for the first hook of a
/// connection that they have just made.
pub(super) fn priority(connection: &Connection, call: Call, is_awaited: bool) -> Priority {
    let is_new = connection.hook_created_at.is_none() && connection.last_error.is_none();
    match call {
        _ if is_awaited => Priority::Person,
        Call::Ensure { .. } if is_new => Priority::Person,
        Call::Ensure { .. } | Call::Repair { .. } | Call::Delete { .. } => Priority::Repair,
        Call::Check(_) | Call::Ping(_) => Priority::Check,
    }
}

/// Makes a call with the credential that fits now. Never fails: failures are inputs, too.
pub(super) async fn make(
    world: Arc<World>,
    connection: Connection,
    call: Call,
    priority: Priority,
) -> Called {
    let owner = connection.owner;
    let errand = Errand { owner, priority };
    let (usable, others) = match world.candidates(&connection) {
        Ok(candidates) => match candidates.split_first() {
            Some((first, others)) => (*first, others.to_vec()),
            None => return failed(&world, &no_credential()),
        },
        Err(error) => {
            let failure = Failure::Retryable { after: None };
            let error =
                ProviderError::refused(failure, ErrorCode::StoreUnavailable, error.to_string());
            return failed(&world, &error);
        }
    };
    let hooks = world.providers.hooks(&connection.instance).cloned();
    let Some(hooks) = hooks else {
        let words = wording::PROVIDER_NOT_CONFIGURED;
        return failed(
            &world,
            &ProviderError::refused(Failure::Rejected, ErrorCode::NotConfigured, words),
        );
    };
    let access = match keeper::access(&world, usable.id(), errand).await {
        Ok(access) => access,
        Err(error) => return failed(&world, &passed_on(error, !others.is_empty())),
    };
    match carry_out(&world, &*hooks, &connection, &access, call).await {
        Ok((reply, mut edit)) => {
            keeper::worked(&world, usable.id());
            edit.succeeded = true;
            edit.credential_used = Some(usable);
            Called {
                input: Input::Replied(reply),
                edit: Box::new(edit),
            }
        }
        Err(error) => match error.failure {
            Failure::Unauthorized => {
                let verdict = keeper::refused(&world, usable.id(), &access).await;
                failed(&world, &judged(error, verdict, !others.is_empty()))
            }
            Failure::NoAccess => {
                let error = error.shown(matches!(usable, CredentialUse::Own(_)));
                without_access(&world, &connection, usable, &others, error)
            }
            Failure::Retryable { .. } | Failure::Rejected => failed(&world, &error),
        },
    }
}

fn no_credential() -> ProviderError {
    let words = wording::NO_CREDENTIAL;
    ProviderError::refused(Failure::Unauthorized, ErrorCode::NoCredential, words)
}

fn failed(world: &World, error: &ProviderError) -> Called {
    let (failure, may_have_acted) = (error.failure, error.may_have_acted);
    let last_error = LastError {
        code: error.code,
        message: error.message.clone(),
        at: world.now(),
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

const SOON: Failure = Failure::Retryable {
    after: Some(NEXT_CREDENTIAL),
};

/// A credential that is dead is no end while there is another.
fn passed_on(mut error: ProviderError, has_others: bool) -> ProviderError {
    if error.failure == Failure::Unauthorized && has_others {
        error.failure = SOON;
    }
    error
}

/// What a refused token means, now that the keeper has looked.
fn judged(mut error: ProviderError, verdict: Verdict, has_others: bool) -> ProviderError {
    match verdict {
        Verdict::Dead => return passed_on(error, has_others),
        Verdict::Again => error.failure = SOON,
        Verdict::Unclear => error.failure = Failure::Retryable { after: None },
    }
    error
}

/// The credential cannot manage this repository's hooks: that is remembered, and another is tried
/// when there is one that was not tried yet. When all were, it begins anew at the next attempt,
/// which comes slowly.
fn without_access(
    world: &World,
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
        error.failure = SOON;
    } else {
        no_access.clear();
    }
    let mut called = failed(world, &error);
    called.edit.no_access = Some(no_access);
    called
}

async fn carry_out(
    world: &World,
    hooks: &dyn Hooks,
    connection: &Connection,
    access: &Access,
    call: Call,
) -> Result<(Reply, Edit), ProviderError> {
    let target = target(connection);
    let spec = || {
        let spec = world.hook_spec(connection);
        spec.ok_or_else(unreadable)
    };
    match call {
        Call::Ensure { known, revision } => {
            let ensured = hooks.ensure(access, &target, known, &spec()?).await?;
            let (id, hook) = (connection.id, ensured.hook.0);
            if ensured.created {
                let repository = &connection.full_name;
                tracing::info!(connection.id = %id, %repository, hook.id = hook, "webhook_created");
            } else {
                tracing::debug!(connection.id = %id, hook.id = hook, "webhook_confirmed");
            }
            let edit = Edit {
                repository: Some(ensured.repository),
                ..written(world, ensured.proof)
            };
            Ok((
                Reply::Ensured {
                    hook: ensured.hook,
                    known,
                    revision,
                },
                edit,
            ))
        }
        Call::Check(hook) => {
            let found = hooks.check(access, &target, hook, &spec()?).await?;
            Ok(judge(world, connection, found))
        }
        Call::Repair { hook, revision } => {
            match hooks.repair(access, &target, hook, &spec()?).await? {
                Repaired::Done { proof } => {
                    Ok((Reply::Repaired { revision }, written(world, proof)))
                }
                Repaired::Missing => Ok(plain(missing(world))),
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

/// All settings are written, and the hook delivers to our present address.
fn written(world: &World, proof: Proof) -> Edit {
    Edit {
        proof: Some(proof),
        checked: true,
        address: Some(world.settings.public_url.clone()),
        ..Edit::default()
    }
}

/// What a check means.
fn judge(world: &World, connection: &Connection, found: Checked) -> (Reply, Edit) {
    let mut address = None;
    let (reply, checked) = match found.report {
        CheckReport::Intact => {
            address = Some(world.settings.public_url.clone());
            (Reply::Intact, true)
        }
        // Where we left it, at a former address of ours: it is moved when its turn comes.
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
        CheckReport::Missing => (missing(world), false),
    };
    let edit = Edit {
        repository: Some(found.repository),
        checked,
        address,
        ..Edit::default()
    };
    (reply, edit)
}

/// A reply that changes nothing else.
fn plain(reply: Reply) -> (Reply, Edit) {
    (reply, Edit::default())
}

fn missing(world: &World) -> Reply {
    Reply::Missing { at: world.now() }
}

fn unreadable() -> ProviderError {
    let words = wording::HOOK_SECRET_SEALED;
    ProviderError::refused(Failure::Rejected, ErrorCode::CannotOpenSecret, words)
}
