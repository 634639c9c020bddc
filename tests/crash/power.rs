//! Power cuts on a real ext4.

use super::disk::Disk;
use super::ledger::Ledger;
use super::rounds;
use super::writer::{Job, Said, Writer};

fn cut_rounds(retains_little: bool, count: u32) {
    let Some(disk) = Disk::new(256) else { return };
    let mut dir = disk.path().join("0");
    let mut ledger = Ledger::default();
    for round in 0..count {
        if round % 5 == 0 {
            // A fresh store now and then: the first moments of one are cut as well.
            dir = disk.path().join(round.to_string());
            ledger = Ledger::default();
        }
        let job = Job {
            from: u64::from(round) * 1_000_000,
            width: 16,
            retains_little,
        };
        let mut writer = Writer::start(&dir, job);
        match round % 5 {
            0 => {}
            _ => writer.wait_until("the store to open", |said| said.contains(&Said::Open)),
        }
        writer.wait_for_acknowledged(u64::from(round * 37 % 101));
        // Only what was heard before the cut counts: a sync under way may still say yes.
        let heard = writer.heard();
        disk.cut_power();
        drop(writer.kill());
        disk.restart();
        ledger.note(&heard);
        let report = ledger.check(&dir, job);
        assert_eq!(
            (report.damage, report.unreadable),
            (vec![], 0),
            "round {round}"
        );
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_is_cut() {
    cut_rounds(false, rounds(30));
}

#[test]
fn nothing_acknowledged_is_lost_when_it_is_cut_while_retention_deletes_segments() {
    cut_rounds(true, rounds(30));
}
