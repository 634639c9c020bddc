//! What uses each credential.

use crate::domain::id::CredentialId;
use crate::domain::pace::Load;
use crate::domain::repo::Instance;
use parking_lot::Mutex;
use std::collections::HashMap;

/// The loads, as last counted. A credential that is not among them has nothing to do.
#[derive(Debug, Default)]
pub(super) struct Loads(pub(super) Mutex<HashMap<CredentialId, (Instance, Load)>>);
