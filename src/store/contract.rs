//! What every store promises, as one suite of cases: [`contract!`] runs it over a store that a
//! factory makes. A new store adds a line; a new promise adds a case.
//!
//! A case gets a store with nothing in it. The guarantees are in the docs of [`super::Read`],
//! [`super::Store`], [`super::Change`] and [`super::Guard`].

pub(in crate::store) mod tests {
    pub(in crate::store) mod asked;
    pub(in crate::store) mod explanations;
    pub(in crate::store) mod guards;
    pub(in crate::store) mod history;
    pub(in crate::store) mod ledgers;
    pub(in crate::store) mod made;
    pub(in crate::store) mod notifications;
    pub(in crate::store) mod operations;
    pub(in crate::store) mod outages;
    pub(in crate::store) mod reads;
    pub(in crate::store) mod writes;
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
            asked::commands_wait_in_order_and_are_found_by_id_and_by_connection
            asked::a_command_needs_a_connection_that_is_there_and_not_removed
            asked::only_so_many_commands_wait_also_within_a_group
            asked::no_batch_lets_too_many_commands_wait
            asked::one_more_may_be_asked_once_another_has_ended_also_within_a_group
            asked::a_command_is_carried_out_once
            asked::a_credential_is_changed_by_who_knows_it_as_it_is
            asked::who_lost_the_lease_writes_nothing
            operations::operations_are_found_by_owner_and_while_they_have_not_ended
            operations::the_items_are_there_until_the_operation_has_ended
            operations::only_so_many_operations_of_an_owner_have_not_ended
            operations::an_operation_and_its_commands_are_one_batch
            guards::a_delivery_is_new_by_its_id_and_by_its_body_for_each_connection
            guards::a_repository_is_connected_once_an_owner_until_it_is_disconnected
            guards::nothing_hangs_on_a_connection_that_is_gone
            guards::no_incident_outlives_its_subject
            guards::nothing_new_becomes_theirs_who_leave
            guards::a_name_belongs_to_one_user
            guards::what_changed_meanwhile_is_not_written_over
            guards::one_guard_that_does_not_hold_refuses_everything
            history::deliveries_are_found_in_a_span_of_time
            history::deliveries_are_found_by_action_source_and_the_providers_id
            ledgers::a_ledger_answers_requests_up_to_its_time_and_no_later_ones
            ledgers::a_request_to_reconcile_covers_those_before_it
            ledgers::gaps_are_listed_newest_first_by_owner_and_by_connection
            ledgers::the_totals_of_an_owner_are_the_sum_of_their_ledgers
            ledgers::the_oldest_missing_delivery_of_an_owner_is_known
            ledgers::a_deleted_connection_takes_its_ledger_and_its_gaps_along
            ledgers::the_last_uptime_is_kept
            ledgers::a_history_is_replaced_and_goes_with_its_connection
            ledgers::a_takeover_is_replaced_and_goes_with_its_connection
            explanations::an_incident_about_ci_is_listed_until_it_is_explained_in_each_episode
            explanations::incidents_are_listed_by_when_they_are_due
            explanations::an_explanation_goes_with_its_incident_and_with_its_connection
            notifications::an_incident_is_listed_while_it_stands_otherwise_than_announced
            notifications::notifications_are_found_by_owner_state_incident_and_sink
            notifications::sinks_are_found_by_owner_and_are_written_by_who_knows_them
            notifications::an_owner_has_so_many_sinks_also_within_a_group
            notifications::a_forgotten_incident_takes_what_was_announced_of_it_along
            notifications::what_a_sink_shows_as_open_is_listed_until_it_shows_its_end
            outages::the_last_outage_of_each_installation_is_kept
            outages::the_last_trouble_of_each_kind_is_kept
            outages::a_wait_is_replaced_and_goes_with_its_credential
            writes::a_batch_is_there_whole_or_not_at_all
            writes::batches_are_applied_in_the_order_of_submission
            writes::a_batch_that_nobody_waits_for_is_committed_all_the_same
            writes::what_is_applied_twice_is_there_once
            writes::what_a_deleted_connection_had_stays_until_it_is_forgotten
            writes::replay_guards_outlive_their_delivery
            writes::a_deleted_user_takes_the_tokens_along
            reads::what_is_not_there_is_none_or_nothing
            reads::a_walk_shows_once_what_was_there_all_the_time
            reads::pending_deliveries_are_shown_in_order_until_they_are_processed
            reads::every_credential_and_connection_is_in_a_page
            reads::a_connection_is_found_by_all_that_leads_to_it_and_by_nothing_older
            reads::connections_whose_hook_is_not_known_to_work_are_unsettled
            reads::filters_show_what_fits_and_no_other_owners
            reads::filters_of_history_show_what_fits
            reads::counts_are_what_a_walk_finds
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
