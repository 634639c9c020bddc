//! What the view promises, whatever it is made of: compared with a map in memory.

use super::*;
use crate::store::index::{Kv, Scan, Write};
use proptest::prelude::*;

/// What happens to a view.
#[derive(Clone, Debug)]
enum Deed {
    Write(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Freeze,
    Step(usize),
    Fill(bool),
    Reopen,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let key = prop::collection::vec(0_u8..4, 1..5);
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..40));
    let write = prop::collection::vec((key, value), 1..40).prop_map(Deed::Write);
    let deed = prop_oneof![
        4 => write,
        4 => Just(Deed::Freeze),
        4 => (0_usize..6).prop_map(Deed::Step),
        1 => any::<bool>().prop_map(Deed::Fill),
        1 => Just(Deed::Reopen),
    ];
    prop::collection::vec(deed, 0..40)
}

/// Leaves the view as an orderly end does, and takes it up again.
fn reopen(view: &View) {
    view.leave().unwrap();
    let mut tree = view.tree.write();
    let backing = tree.take().unwrap().backing;
    let runs = run::described(&backing).unwrap();
    *tree = Some(Tree::new(backing, runs));
}

proptest! {
    #[test]
    fn tables_and_runs_read_as_one_space(
        deeds in deeds(),
        limit in 0_usize..20,
        newest_first in any::<bool>(),
        after in prop::option::of(prop::collection::vec(0_u8..4, 0..3)),
    ) {
        let (view, plain) = (View::at(Path::new("/nowhere/view")), MemoryKv::default());
        view.make_empty_in_memory();
        for deed in deeds {
            match deed {
                Deed::Write(writes) => {
                    plain.apply(writes.clone()).unwrap();
                    view.apply(writes).unwrap();
                }
                Deed::Freeze => view.alone(|tree| { tree.freeze(true); Ok(()) }).unwrap(),
                Deed::Step(steps) => {
                    let mut work = view.work.lock();
                    for _ in 0..steps {
                        view.step(&mut work).unwrap();
                    }
                }
                Deed::Fill(is_filling) => view.set_filling(is_filling),
                Deed::Reopen => reopen(&view),
            }
            for prefix in [&[][..], &[1], &[2, 3]] {
                let after = after.as_ref().map(|after| [prefix, after].concat());
                let after = after.as_deref();
                let scan = Scan { prefix, after, newest_first, limit };
                prop_assert_eq!(view.scan(scan).unwrap(), plain.scan(scan).unwrap());
            }
            let all = Scan { prefix: &[], after: None, newest_first, limit: usize::MAX };
            let found = view.scan(all).unwrap();
            prop_assert_eq!(&found, &plain.scan(all).unwrap());
            for key in found.into_iter().map(|(key, _)| key).chain([vec![9], vec![0], vec![1, 2]]) {
                prop_assert_eq!(view.get(&key).unwrap(), plain.get(&key).unwrap());
            }
        }
    }
}

/// So many entries that tables freeze and runs are merged by themselves.
#[test]
fn a_view_is_bounded_in_memory_and_in_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    let view = View::at(&path);
    view.make_empty().unwrap();
    let entry = |n: u64| -> Write {
        let key = blake3::hash(&(n % 200_000).to_be_bytes()).as_bytes()[..20].to_vec();
        (
            key,
            (!n.is_multiple_of(9)).then(|| n.to_be_bytes().to_vec()),
        )
    };
    let written = 450_000;
    let mut runs_max = 0;
    for chunk in 0..written / 100 {
        view.apply((chunk * 100..(chunk + 1) * 100).map(entry).collect())
            .unwrap();
        runs_max = runs_max.max(view.tree.read().as_ref().unwrap().runs.len());
    }
    assert!((4..10).contains(&runs_max), "{runs_max}");
    let position = Position {
        segment: 1,
        offset: 2,
    };
    view.close(position).unwrap();
    let Left::Trusted(view) = View::open_clean(&path, position).unwrap() else {
        panic!("it was left in good order");
    };
    for n in written - 200_000..written {
        let (key, value) = entry(n);
        assert_eq!(view.get(&key), Ok(value));
    }
    assert_eq!(view.get(b"something else"), Ok(None));
    let all = view.walk(&mut |_| Ok(())).unwrap().entries;
    let there = (written - 200_000..written).filter(|n| entry(*n).1.is_some());
    assert_eq!(all, there.count() as u64);
    // Nothing is left of what was merged.
    let blocks: usize = view
        .with(|tree| Ok(tree.runs.iter().map(|r| r.blocks()).sum()))
        .unwrap();
    let tree = view.tree.read();
    let Backing::Disk(db) = &tree.as_ref().unwrap().backing else {
        panic!("it is on disk");
    };
    assert_eq!(db.len(), blocks);
}
