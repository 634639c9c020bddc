//! The caller's ledgers and gaps.

use super::Owned;
use crate::api::error::Problem;
use crate::domain::id::{ConnectionId, GapId};
use crate::domain::ledger::{Gap, Ledger, Totals};
use crate::domain::time::Timestamp;
use crate::store::{After, Listing, Of, ReadError};

impl Owned<'_> {
    /// The ledger of a connection; `None` before its first reconcile, and for one of another owner.
    pub(in crate::api) async fn ledger(
        &self,
        id: ConnectionId,
    ) -> Result<Option<Ledger>, ReadError> {
        let ledger = self.store.ledger(id).await?;
        Ok(ledger.filter(|ledger| ledger.owner == self.owner))
    }

    /// Gaps, of a connection of the caller's or of all.
    pub(in crate::api) async fn gaps(
        &self,
        connection: Option<ConnectionId>,
        after: After<GapId>,
    ) -> Result<Listing<Gap, GapId>, Problem> {
        let of = match connection {
            Some(id) => Of::Connection(self.connection_or_removed(id).await?.id),
            None => Of::Owner(self.owner),
        };
        let page = self.store.gaps(of, after).await?;
        let last = page.items.last().filter(|_| page.has_more);
        Ok(Listing {
            next: last.map(|gap| gap.id),
            items: page.items,
        })
    }

    /// The totals of all of the caller's gaps.
    pub(in crate::api) async fn gap_totals(&self) -> Result<Totals, ReadError> {
        self.store.gap_totals(self.owner).await
    }

    /// When the oldest delivery was sent that is missing at any of the caller's connections.
    pub(in crate::api) async fn behind_since(&self) -> Result<Option<Timestamp>, ReadError> {
        self.store.behind_since(self.owner).await
    }
}
