//! SIGKILL at random moments.

use super::ledger::Ledger;
use super::rounds;
use super::writer::{Job, Writer};

fn kill_rounds(retains_little: bool, count: u32) {
    let mut dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    let mut acknowledged = 0;
    let mut job = Job {
        from: 0,
        width: 16,
        retains_little,
    };
    for round in 0..count {
        if round % 5 == 0 {
            // A fresh store now and then: its first moments are interrupted as well.
            dir = tempfile::tempdir().unwrap();
            ledger = Ledger::default();
        }
        job.from = u64::from(round) * 1_000_000;
        let mut writer = Writer::start(dir.path(), job);
        writer.wait_for_acknowledged(u64::from(round * 37 % 101));
        let had = ledger.acknowledged.len();
        ledger.note(&writer.kill());
        acknowledged += ledger.acknowledged.len() - had;
        let report = ledger.check(dir.path(), job);
        assert_eq!(
            (report.damage, report.unreadable),
            (vec![], 0),
            "round {round}"
        );
    }
    assert!(acknowledged > count as usize * 10, "too little happened");
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    kill_rounds(false, rounds(15));
}

#[test]
fn nothing_acknowledged_is_lost_when_it_is_killed_while_retention_deletes_segments() {
    kill_rounds(true, rounds(15));
}
