//! Making a provider call, and turning its answer into an input.

use crate::actor::plan::Edit;
use crate::actor::shared::{World, target};
use crate::domain::connection::{Connection, LastError};
use crate::domain::lifecycle::{Call, Failure, Input, Reply};
use crate::domain::user::Credential;
use crate::provider::{CheckReport, Checked, Hooks, Pinged, ProviderError, Repaired};
use std::sync::Arc;
use std::time::Duration;

/// How a call ended.
pub(super) struct Called {
    pub(super) input: Input,
    pub(super) edit: Box<Edit>,
}

/// Another credential is tried after so short a time.
const NEXT_CREDENTIAL: Duration = Duration::from_millis(100);

/// Makes a call with the credential that fits now. Never fails: failures are inputs, too.
pub(super) async fn make(world: Arc<World>, connection: Connection, call: Call) -> Called {
    let credential = match world.credential_for(&connection) {
        Ok(Some(credential)) => credential,
        Ok(None) => return failed(&world, &no_credential()),
        Err(error) => {
            let failure = Failure::Retryable { after: None };
            let error = ProviderError::refused(failure, "store_unavailable", error.to_string());
            return failed(&world, &error);
        }
    };
    let hooks = world.providers.hooks(&connection.instance).cloned();
    let Some(hooks) = hooks else {
        let words = "this provider is no longer configured";
        return failed(
            &world,
            &ProviderError::refused(Failure::Rejected, "not_configured", words),
        );
    };
    match carry_out(&world, &*hooks, &connection, &credential, call).await {
        Ok((reply, mut edit)) => {
            edit.succeeded = true;
            Called {
                input: Input::Replied(reply),
                edit: Box::new(edit),
            }
        }
        Err(error) if error.failure == Failure::Unauthorized => {
            refused(&world, &connection, credential, error)
        }
        Err(error) => failed(&world, &error),
    }
}

fn no_credential() -> ProviderError {
    let words = "none of your credentials works for this provider; add one, then check or resume";
    ProviderError::refused(Failure::Unauthorized, "no_credential", words)
}

fn failed(world: &World, error: &ProviderError) -> Called {
    let (failure, may_have_acted) = (error.failure, error.may_have_acted);
    let last_error = LastError {
        code: error.code.to_owned(),
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

/// The credential does not work any more: remember that, and go on with another when there is
/// one.
fn refused(
    world: &World,
    connection: &Connection,
    credential: Credential,
    mut error: ProviderError,
) -> Called {
    let usable = world.usable_credentials(connection.owner, &connection.instance);
    if usable.is_ok_and(|usable| usable.iter().any(|other| other.id != credential.id)) {
        error.failure = Failure::Retryable {
            after: Some(NEXT_CREDENTIAL),
        };
    }
    let mut called = failed(world, &error);
    called.edit.rejected = Some(Credential {
        rejected_at: Some(world.now()),
        ..credential
    });
    called
}

async fn carry_out(
    world: &World,
    hooks: &dyn Hooks,
    connection: &Connection,
    credential: &Credential,
    call: Call,
) -> Result<(Reply, Edit), ProviderError> {
    let access = world.access(credential);
    let access = access.ok_or_else(|| unreadable("credential"))?;
    let target = target(connection);
    let spec = || {
        let spec = world.hook_spec(connection);
        spec.ok_or_else(|| unreadable("hook secret"))
    };
    match call {
        Call::Ensure { revision } => {
            let ensured = hooks.ensure(&access, &target, &spec()?).await?;
            let edit = Edit {
                repository: Some(ensured.repository),
                proof: Some(ensured.proof),
                hook_seen: true,
                ..Edit::default()
            };
            Ok((
                Reply::Ensured {
                    hook: ensured.hook,
                    revision,
                },
                edit,
            ))
        }
        Call::Check(hook) => {
            let found = hooks.check(&access, &target, hook, &spec()?).await?;
            Ok(judge(world, connection, found))
        }
        Call::Repair { hook, revision } => {
            match hooks.repair(&access, &target, hook, &spec()?).await? {
                Repaired::Done { proof } => {
                    let edit = Edit {
                        proof: Some(proof),
                        checked: true,
                        ..Edit::default()
                    };
                    Ok((Reply::Repaired { revision }, edit))
                }
                Repaired::Missing => Ok(plain(missing(world))),
            }
        }
        Call::Ping(hook) => {
            let reply = match hooks.ping(&access, &target, hook).await? {
                Pinged::Sent => Reply::Pinged,
                Pinged::Untestable => Reply::Untestable,
            };
            Ok(plain(reply))
        }
        Call::Delete => {
            hooks
                .delete(&access, &target, &world.hook_url(connection))
                .await?;
            Ok(plain(Reply::Deleted))
        }
    }
}

/// What a check means.
fn judge(world: &World, connection: &Connection, found: Checked) -> (Reply, Edit) {
    let (reply, checked) = match found.report {
        CheckReport::Intact => (Reply::Intact, true),
        CheckReport::Drifted { fields } => {
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

fn unreadable(what: &str) -> ProviderError {
    let words = format!("the {what} cannot be opened with the configured master keys");
    ProviderError::refused(Failure::Rejected, "cannot_open_secret", words)
}
