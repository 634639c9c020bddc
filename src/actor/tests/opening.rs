//! Rules of an owner about which ends of runs open incidents.

use super::fakes::{ANN, BOB, Farm};
use crate::domain::incident::Resolution;
use crate::domain::rulebook::Rulebook;
use crate::domain::rulebook::opening::Opening;
use crate::domain::run::Conclusion;
use crate::domain::samples;
use crate::store::{Batch, Change};

/// Sets the rules of Ann to this one.
async fn set(farm: &Farm, rule: Opening) {
    let book = Rulebook {
        rules: Vec::new(),
        quiet: None,
        opening: vec![rule],
        ..samples::rulebook(ANN)
    };
    let put = Change::PutRulebook(Box::new(book));
    farm.store.commit(Batch::of(vec![put])).await.unwrap();
}

#[actix::test]
async fn an_owners_rule_counts_for_the_runs_that_are_reported_after_it_and_for_no_other_owner() {
    let farm = Farm::new();
    let (ann, bob) = (farm.connect(ANN).await, farm.connect(BOB).await);
    farm.process(&ann, "1 1 failure").await;
    assert_eq!(farm.incidents(ANN).len(), 1);
    let nothing = Opening {
        connections: vec![ann.id],
        conclusions: Some(Vec::new()),
        ..Opening::default()
    };
    set(&farm, nothing).await;
    farm.process(&ann, "2 1 failure").await;
    farm.process(&bob, "1 1 failure").await;
    let incidents = farm.incidents(ANN);
    assert_eq!((incidents.len(), incidents[0].occurrences), (1, 1));
    assert_eq!(farm.incidents(BOB).len(), 1);
    // What is open is resolved by a pass, and nothing is opened after it.
    farm.process(&ann, "3 1 success").await;
    let resolution = farm.incidents(ANN)[0].resolution;
    assert!(matches!(resolution, Some(Resolution::Passed(_))));
    farm.process(&ann, "4 1 failure").await;
    assert_eq!(farm.incidents(ANN).len(), 1);
    let failures = Opening {
        branches: Some(vec!["ma*".into()]),
        conclusions: Some(vec![Conclusion::Failure]),
        ..Opening::default()
    };
    set(&farm, failures).await;
    farm.process(&ann, "5 1 failure").await;
    assert_eq!(farm.incidents(ANN).len(), 2);
}
