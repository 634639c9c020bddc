//! The frozen mirrors of outages of providers and of limits of credentials.

use super::codec::Record;
use super::wire::{Wire, mirror};
use crate::domain::connection::LastError;
use crate::domain::id::CredentialId;
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::Hold;
use crate::domain::repo::Instance;
use crate::domain::time::Timestamp;

mirror!(ProviderOutageV1 of ProviderOutage {
    instance: Instance,
    since: Timestamp,
    probed_at: Timestamp,
    probes: u32,
    connections: u32,
    error: LastError,
    ended_at: Option<Timestamp>,
});

mirror!(HoldV1 of Hold { credential: CredentialId, until: Timestamp });

impl Record for Hold {
    const VERSION: u8 = 1;
    const KIND: &'static str = "wait of a credential";
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
