//! Outages of providers, the waits that they ask for, and trouble of the server: which keys they
//! write, and how they are read.

use super::key::{Key, Kind};
use super::{Index, Kv, Scan, Write, record, write};
use crate::domain::id::CredentialId;
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::Hold;
use crate::domain::server_trouble::ServerTrouble;
use crate::domain::trouble::TroubleKind;
use crate::store::ReadError;

/// Installations whose outages are read: far more than are ever configured.
const OUTAGES_MAX: usize = 1000;

/// Waits that are read: one of a credential, and most have none.
const HOLDS_MAX: usize = 100_000;

pub(super) fn hold_key(credential: CredentialId) -> Key {
    Key::of(Kind::Hold).id(credential.as_u128())
}

pub(super) fn put_hold(hold: &Hold) -> Write {
    write::put(hold_key(hold.credential), hold)
}

pub(super) fn put_outage(outage: &ProviderOutage) -> Write {
    let key = Key::of(Kind::Outage).id(outage.instance.id().as_u128());
    write::put(key, outage)
}

pub(super) fn put_trouble(trouble: &ServerTrouble) -> Write {
    let key = Key::of(Kind::Trouble).word(trouble.kind.as_str());
    write::put(key, trouble)
}

impl<K: Kv> Index<K> {
    pub(super) fn troubles(&self) -> Result<Vec<ServerTrouble>, ReadError> {
        let found = self.kv.scan(Scan {
            prefix: Key::of(Kind::Trouble).bytes(),
            after: None,
            newest_first: false,
            limit: TroubleKind::ALL.len(),
        })?;
        found.iter().map(|(_, value)| record(value)).collect()
    }

    pub(super) fn outages(&self) -> Result<Vec<ProviderOutage>, ReadError> {
        let found = self.kv.scan(Scan {
            prefix: Key::of(Kind::Outage).bytes(),
            after: None,
            newest_first: false,
            limit: OUTAGES_MAX,
        })?;
        found.iter().map(|(_, value)| record(value)).collect()
    }

    pub(super) fn holds(&self) -> Result<Vec<Hold>, ReadError> {
        let found = self.kv.scan(Scan {
            prefix: Key::of(Kind::Hold).bytes(),
            after: None,
            newest_first: false,
            limit: HOLDS_MAX,
        })?;
        found.iter().map(|(_, value)| record(value)).collect()
    }
}
