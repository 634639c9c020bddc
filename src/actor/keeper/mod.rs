//! The keeper of credentials: the one place that hands out [`Access`], renews what expires, and
//! the only writer of credentials.
//!
//! Whoever works on a credential holds its turn, so there is one refresh at a time however many
//! wait for it, and whoever comes later finds its outcome in the store. Refresh tokens are used
//! once. So the intent is stored before the call and its outcome after; after a crash between the
//! two, or an answer that was lost, the old refresh token is tried again, and tells whether the
//! grant is lost. See ADR 9.

mod accounts;
mod refresh;
mod reject;
mod sweep;

pub(super) use accounts::{add, command, remove, set_shared};
pub(super) use reject::{Verdict, refused};
pub(super) use sweep::{StopSweeping, Sweeper};

use super::shared::World;
use crate::domain::backoff::Backoff;
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::grant::{Freshness, Grant, OauthGrant};
use crate::domain::id::CredentialId;
use crate::domain::lifecycle::Failure;
use crate::domain::secret::{ProviderToken, Sealed};
use crate::domain::user::Credential;
use crate::domain::wording;
use crate::provider::oauth::InstallationToken;
use crate::provider::{Access, ProviderError};
use crate::seal::{Purpose, TokenField};
use crate::store::{CommitError, ReadError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

/// Installation tokens are replaced when less than this is left of them ...
const INSTALLATION_AHEAD: Duration = Duration::from_mins(5);
/// Longest wait of a caller for a refresh. The refresh itself goes on.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest wait of an orderly end for the refreshes under way.
const REST_MAX: Duration = Duration::from_secs(8);
/// Pauses between attempts at a refresh that failed in a way that may pass.
const PAUSES: Backoff = Backoff {
    initial: Duration::from_secs(5),
    cap: Duration::from_mins(5),
};

/// So many refusals of a token that never worked are the end of a credential.
const REFUSALS_MAX: u32 = 3;

/// What the keeper knows that is not stored.
#[derive(Default)]
pub struct Keeper {
    slots: Mutex<HashMap<CredentialId, Arc<Slot>>>,
    /// Held while a credential is added, so that one account becomes one credential.
    adding: tokio::sync::Mutex<()>,
    /// Held for reading by every refresh, from its intent to its outcome.
    at_work: tokio::sync::RwLock<()>,
    /// No refresh is begun any more.
    is_closing: AtomicBool,
    /// Is told of credentials that were found dead.
    undertaker: OnceLock<actix::Recipient<sweep::Died>>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// What is known of one credential.
#[derive(Default)]
struct Slot {
    /// Held by whoever works on the credential.
    turn: tokio::sync::Mutex<Turn>,
    /// The token of an installation, while it is good.
    installed: Mutex<Option<InstallationToken>>,
    /// The token was made anew, and no call has succeeded with it yet.
    is_unproven: AtomicBool,
}

/// What whoever has the turn knows.
#[derive(Default)]
struct Turn {
    /// Nothing is tried before, and why.
    pause: Option<(Instant, ProviderError)>,
    /// Failures in a row.
    failures: u32,
    /// Refusals in a row of a token that never worked.
    refusals: u32,
}

impl Keeper {
    /// Begins no refresh any more, and waits (a while) for those under way: an orderly end loses
    /// no answer.
    pub(super) async fn rest(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        if tokio::time::timeout(REST_MAX, self.at_work.write())
            .await
            .is_err()
        {
            tracing::warn!("the renewal of a credential is cut off");
        }
    }

    fn slot(&self, id: CredentialId) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        Arc::clone(slots.entry(id).or_default())
    }

    fn forget(&self, id: CredentialId) {
        let mut slots = self.slots.lock();
        slots.remove(&id);
    }
}

impl Slot {
    /// The turn, for what a user asks. A refresh whose outcome cannot be stored keeps it for as
    /// long as that lasts: then the store takes nothing from users either.
    async fn turn(&self) -> Result<MutexGuard<'_, Turn>, CommitError> {
        let waiting = tokio::time::timeout(WAIT_MAX, self.turn.lock()).await;
        waiting.map_err(|_| CommitError::Overloaded)
    }

    fn installed(&self) -> Option<InstallationToken> {
        let installed = self.installed.lock();
        installed.clone()
    }

    fn is_unproven(&self) -> bool {
        self.is_unproven.load(Ordering::Relaxed)
    }

    /// There is a new token.
    fn begin_proof(&self) {
        self.is_unproven.store(true, Ordering::Relaxed);
    }

    fn install(&self, token: Option<InstallationToken>) {
        *self.installed.lock() = token;
    }
}

impl Turn {
    /// Why nothing is tried now.
    fn pausing(&self) -> Option<ProviderError> {
        let (until, error) = self.pause.as_ref()?;
        let left = until.checked_duration_since(Instant::now())?;
        let mut error = error.clone();
        if let Failure::Retryable { after } = &mut error.failure {
            *after = Some(left);
        }
        Some(error)
    }

    /// It failed, and may work later.
    fn pause(&mut self, world: &World, after: Option<Duration>, error: ProviderError) {
        self.failures = self.failures.saturating_add(1);
        let wait = PAUSES.wait(self.failures, world.chance());
        let wait = wait.max(after.unwrap_or_default());
        self.pause = Some((Instant::now() + wait, error));
    }

    /// A token is refused that never worked. It may not have come round at the provider yet; but
    /// when that happens again and again, another one will not help. Tells whether it did.
    fn is_hopeless(&mut self, world: &World) -> bool {
        self.refusals += 1;
        if self.refusals < REFUSALS_MAX {
            self.pause(world, None, waiting(wording::NEW_TOKEN_REFUSED));
        }
        self.refusals >= REFUSALS_MAX
    }

    /// It works.
    fn proceed(&mut self) {
        self.pause = None;
        self.failures = 0;
    }
}

/// Why somebody wants a credential's token.
#[derive(Clone, Debug)]
enum Need {
    /// To use it.
    Use,
    /// To have it renewed in good time.
    Ahead,
    /// The provider refused this one.
    Other(ProviderToken),
}

/// How a credential's token stands for a need.
enum Standing {
    /// It will do.
    Good(Access),
    /// It is to be replaced; until then it will do.
    Usable(Access),
    /// It is to be replaced, and will not do.
    Over,
}

/// The right to make calls with a credential, renewed if need be.
///
/// The awkward case: a credential that turns out to be dead is an error that is `Unauthorized`,
/// and marked as dead by then.
pub(super) async fn access(
    world: &Arc<World>,
    id: CredentialId,
    errand: Errand,
) -> Result<Access, ProviderError> {
    let access = usable(world, id, errand).await?;
    Ok(Access { errand, ..access })
}

async fn usable(
    world: &Arc<World>,
    id: CredentialId,
    errand: Errand,
) -> Result<Access, ProviderError> {
    let credential = read(world, id)?;
    let usable = match standing(world, &credential, &Need::Use)? {
        Standing::Good(access) => return Ok(access),
        Standing::Usable(access) => Some(access),
        Standing::Over => None,
    };
    let renewed = renew(world, id, Need::Use, errand).await;
    match (renewed, usable) {
        (Err(error), Some(access)) if error.failure != Failure::Unauthorized => Ok(access),
        (renewed, _) => renewed,
    }
}

/// Says that a call succeeded with a credential.
pub(super) fn worked(world: &World, id: CredentialId) {
    let slot = world.keeper.slot(id);
    slot.is_unproven.store(false, Ordering::Relaxed);
}

/// Has a credential renewed if it needs that, in a task of its own: whoever waits may go away.
async fn renew(
    world: &Arc<World>,
    id: CredentialId,
    need: Need,
    errand: Errand,
) -> Result<Access, ProviderError> {
    let work = tokio::spawn(renew_in_turn(Arc::clone(world), id, need, errand));
    match tokio::time::timeout(WAIT_MAX, work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(waiting(wording::RENEWAL_FAILED)),
        Err(_) => Err(waiting(wording::RENEWAL_RUNNING)),
    }
}

async fn renew_in_turn(
    world: Arc<World>,
    id: CredentialId,
    need: Need,
    errand: Errand,
) -> Result<Access, ProviderError> {
    let slot = world.keeper.slot(id);
    let mut turn = slot.turn.lock().await;
    // Somebody else may have done it meanwhile.
    let credential = read(&world, id)?;
    let usable = match standing(&world, &credential, &need)? {
        Standing::Good(access) => return Ok(access),
        Standing::Usable(access) => Some(access),
        Standing::Over => None,
    };
    if let Some(error) = turn.pausing() {
        return usable.ok_or(error);
    }
    let renewed = match &credential.grant {
        Grant::Token { .. } => {
            reject::reject_refused(&world, &credential).await?;
            Err(dead())
        }
        Grant::Oauth(grant) => {
            refresh::refresh(&world, &mut turn, &slot, &credential, grant.clone(), &need).await
        }
        Grant::App { installation } => {
            let made = (*installation, errand);
            refresh::install(&world, &mut turn, &slot, &credential, made, &need).await
        }
    };
    match (renewed, usable) {
        (Err(error), Some(access)) if error.failure != Failure::Unauthorized => Ok(access),
        (renewed, _) => renewed,
    }
}

fn read(world: &World, id: CredentialId) -> Result<Credential, ProviderError> {
    let found = world
        .store
        .credential(id)
        .ready()
        .map_err(|e| unreadable(&e))?;
    found.filter(|c| c.rejected.is_none()).ok_or_else(dead)
}

/// Whether so much time has passed for sure that a grant is over.
fn is_over(world: &World, grant: &OauthGrant) -> bool {
    let trusted = world.clock.trusted();
    grant.expires_at.is_some_and(|at| at <= trusted)
}

/// How a credential's token stands.
fn standing(
    world: &World,
    credential: &Credential,
    need: &Need,
) -> Result<Standing, ProviderError> {
    let now = world.now();
    let access = |sealed: &Sealed, field| open_access(world, credential, field, sealed);
    let is_refused = |access: &Access| match need {
        Need::Use | Need::Ahead => false,
        Need::Other(refused) => access.token == *refused,
    };
    match &credential.grant {
        Grant::Token { token } => {
            let access = access(token, TokenField::Token)?;
            Ok(if is_refused(&access) {
                Standing::Over
            } else {
                Standing::Good(access)
            })
        }
        Grant::Oauth(grant) => {
            let access = access(&grant.access, TokenField::Access)?;
            let freshness = match need {
                Need::Ahead => grant.freshness_for_sweep(now),
                Need::Use | Need::Other(_) => grant.freshness(now),
            };
            Ok(match freshness {
                _ if is_refused(&access) => Standing::Over,
                Freshness::Fresh => Standing::Good(access),
                // There is nothing to renew it with: it is good to its end.
                Freshness::Due if grant.refresh.is_none() => Standing::Good(access),
                Freshness::Due => Standing::Usable(access),
                // By the wall clock alone it is not given up: the provider tells when it is over.
                Freshness::Expired if grant.refresh.is_none() && !is_over(world, grant) => {
                    Standing::Good(access)
                }
                Freshness::Expired => Standing::Over,
            })
        }
        Grant::App { .. } => {
            let Some(token) = world.keeper.slot(credential.id).installed() else {
                return Ok(Standing::Over);
            };
            let left = token.expires_at.since(now);
            let access = access_with(credential, token.token);
            Ok(match left {
                _ if is_refused(&access) => Standing::Over,
                left if left > INSTALLATION_AHEAD => Standing::Good(access),
                left if !left.is_zero() => Standing::Usable(access),
                _ => Standing::Over,
            })
        }
    }
}

/// A renewal that nobody waits for.
const fn ahead(credential: &Credential) -> Errand {
    Errand {
        owner: credential.owner,
        priority: Priority::Check,
    }
}

fn access_with(credential: &Credential, token: ProviderToken) -> Access {
    Access {
        instance: credential.instance.clone(),
        token,
        errand: ahead(credential),
    }
}

fn open_access(
    world: &World,
    credential: &Credential,
    field: TokenField,
    sealed: &Sealed,
) -> Result<Access, ProviderError> {
    open(world, credential, field, sealed).map(|token| access_with(credential, token))
}

fn purpose(credential: &Credential, field: TokenField) -> Purpose<'_> {
    Purpose::ProviderToken {
        field,
        credential: credential.id,
        owner: credential.owner,
        instance: &credential.instance,
    }
}

fn open(
    world: &World,
    credential: &Credential,
    field: TokenField,
    sealed: &Sealed,
) -> Result<ProviderToken, ProviderError> {
    let cannot = || {
        let words = wording::CREDENTIAL_SEALED;
        ProviderError::refused(Failure::Rejected, ErrorCode::CannotOpenSecret, words)
    };
    let plain = world.seal.open(&purpose(credential, field), sealed);
    let plain = plain.map_err(|_| cannot())?;
    let text = String::from_utf8(plain.to_vec()).map_err(|_| cannot())?;
    ProviderToken::new(text).map_err(|_| cannot())
}

fn seal(
    world: &World,
    credential: &Credential,
    field: TokenField,
    token: &ProviderToken,
) -> Sealed {
    let plain = token.expose().as_bytes();
    world.seal.seal(&purpose(credential, field), plain)
}

/// The error of a credential that no longer works. Says nothing of whose it is: it may be one that
/// another user shares.
fn dead() -> ProviderError {
    let words = wording::CREDENTIAL_DEAD;
    ProviderError::refused(Failure::Unauthorized, ErrorCode::Unauthorized, words)
}

fn waiting(words: &str) -> ProviderError {
    ProviderError::retryable(ErrorCode::ProviderUnavailable, words, None, false)
}

fn unreadable(error: &ReadError) -> ProviderError {
    ProviderError::retryable(ErrorCode::StoreUnavailable, error.to_string(), None, false)
}
