//! What every store promises, as one suite of cases: [`contract!`] runs it over a store that a
//! factory makes. Whoever adds a store adds a line; whoever promises more adds a case.
//!
//! A case gets a store with nothing in it. The guarantees are in the docs of [`super::Read`],
//! [`super::Store`], [`super::Change`] and [`super::Guard`].

pub(in crate::store) mod tests {
    pub(in crate::store) mod asked;
    pub(in crate::store) mod made;
}

use super::{Batch, CommitError, Conflict, Store};
use std::future::Future;

/// A store under test.
pub(in crate::store) trait Subject {
    /// The store.
    fn store(&self) -> &dyn Store;

    /// What comes of batches that are submitted in this order, none of them answered before the
    /// last is submitted. A store that commits in groups puts them into one.
    fn together(&self, batches: Vec<Batch>) -> Vec<Result<(), CommitError>> {
        let answers: Vec<_> = batches
            .into_iter()
            .map(|b| self.store().commit(b))
            .collect();
        answers.into_iter().map(wait).collect()
    }
}

/// Waits for a store's answer, which may take threads of a runtime.
pub(in crate::store) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("threads can be had").block_on(future)
}

/// What a batch conflicts with.
fn conflict(conflict: Conflict) -> Result<(), CommitError> {
    Err(CommitError::Conflict(conflict))
}

/// Runs every case over the stores that `$make` makes.
macro_rules! contract {
    ($make:expr) => {
        $crate::store::contract::contract! { $make;
            asked::commands_wait_in_order_and_are_found_by_id_by_owner_and_by_connection
            asked::a_command_needs_a_connection_that_is_there_and_not_removed
            asked::only_so_many_commands_wait_also_within_a_group
            asked::a_command_is_carried_out_once
            asked::a_credential_is_changed_by_who_knows_it_as_it_is
            asked::who_lost_the_lease_writes_nothing
        }
    };
    ($make:expr; $($room:ident::$case:ident)*) => {$(
        #[test]
        fn $case() {
            $crate::store::contract::tests::$room::$case(&$make);
        }
    )*};
}
pub(in crate::store) use contract;
