//! The frozen mirrors of outages of providers, of trouble of the server, and of limits of
//! credentials.

use super::codec::Record;
use super::wire::{Wire, codes, mirror};
use crate::domain::connection::LastError;
use crate::domain::id::CredentialId;
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::Hold;
use crate::domain::repo::Instance;
use crate::domain::server_trouble::ServerTrouble;
use crate::domain::time::Timestamp;
use crate::domain::trouble::TroubleKind;

mirror!(ProviderOutageV1 of ProviderOutage {
    instance: Instance,
    since: Timestamp,
    probed_at: Timestamp,
    probes: u32,
    connections: u32,
    error: LastError,
    ended_at: Option<Timestamp>,
});

codes!(TroubleKind { 0 = DiskNearlyFull, 1 = DeliveriesWaiting });
mirror!(ServerTroubleV1 of ServerTrouble {
    kind: TroubleKind,
    since: Timestamp,
    ended_at: Option<Timestamp>,
});

mirror!(HoldV1 of Hold { credential: CredentialId, until: Timestamp });

impl Record for Hold {
    const VERSION: u8 = 1;
    const KIND: &'static str = "wait of a credential";
}

impl Record for ServerTrouble {
    const VERSION: u8 = 1;
    const KIND: &'static str = "trouble of the server";
}

impl Record for ProviderOutage {
    const VERSION: u8 = 1;
    const KIND: &'static str = "outage of a provider";
}

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::samples;

    #[test]
    fn outages_come_back() {
        let outage = samples::outage();
        let ended = ProviderOutage {
            ended_at: Some(Timestamp(9)),
            ..outage.clone()
        };
        round(vec![outage, ended]);
    }
}
