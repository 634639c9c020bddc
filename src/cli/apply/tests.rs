//! Files, plans, and that what is exported changes nothing when it is applied.

use super::file::{Entry, Wanted, written};
use super::plan::{Connected, Plan, Step, plan};
use super::requests;
use crate::domain::repo::ProviderKind;
use crate::domain::takeover::Replace;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn parse(text: &str) -> Result<Wanted, (String, Vec<String>)> {
    Wanted::parse("file", text).map_err(|failed| {
        let lines = failed.lines().to_vec();
        (failed.to_string(), lines)
    })
}

#[track_caller]
fn mistakes(text: &str) -> Vec<String> {
    let (words, lines) = parse(text).expect_err(text);
    assert!(words.contains("nothing changed"), "{words}");
    lines
}

#[test]
fn a_file_is_understood_whole_or_refused_with_the_lines_of_all_mistakes() {
    let wanted = parse(
        "count = 2\n[[repository]]\nname = \"octo/app\"\n\n[[repository]]\nname = \"g/s/p\"\n\
         provider = \"gitlab\"\nhost = \"git.test\"\nevents = [\"push_events\"]\npaused = true\n\
         [[scope]]\nowner = \"Octo\"\n",
    )
    .unwrap();
    assert_eq!((wanted.count, wanted.entries.len()), (Some(2), 2));
    assert_eq!(wanted.entries[0].events, None);
    assert!(
        wanted.entries[1].is_paused && wanted.scopes.len() == 2,
        "{wanted:?}"
    );

    let several = "[[repository]]\nname = \"octo\"\n[[repository]]\nname = \"a/b\"\n\
         provider = \"forge\"\n[[repository]]\nname = \"a/b\"\nevents = []\n\
         [[repository]]\nname = \"a/b\"\nevents = [\"Push\", \"*\"]\n";
    let lines = mistakes(several);
    assert!(lines[0].starts_with("line 2: "), "{lines:?}");
    assert!(
        lines[1].starts_with("line 5: unknown provider"),
        "{lines:?}"
    );
    assert!(lines[2].starts_with("line 8: expected 1 to"), "{lines:?}");
    assert!(lines[3].starts_with("line 11: "), "{lines:?}");
}

#[test]
fn each_mistake_is_named_with_its_line() {
    for (text, line, part) in [
        (
            "[[repository]]\nname = \"a/b\"\n[[repository]]\nname = \"A/B\"\n",
            4,
            "in line 2 already",
        ),
        (
            "[[repository]]\nname = \"a/b/c\"\n",
            2,
            "GitHub has no groups",
        ),
        (
            "[[repository]]\nname = \"a/b\"\nevent = [\"push\"]\n",
            3,
            "unknown field `event`",
        ),
        ("repositories = []\n", 1, "unknown field"),
        (
            "[[repository]]\nprovider = \"github\"\n",
            1,
            "missing field `name`",
        ),
        (
            "count = 2\n[[repository]]\nname = \"a/b\"\n",
            1,
            "count is 2, but 1",
        ),
        ("count = -1\n", 1, ""),
        ("[[repository]]\nname = \"a/b", 2, ""),
        (
            "[[repository]]\nname = \"a/b\"\nprovider = \"gitlab\"\nevents = [\"push\"]\n",
            4,
            "no event `push`",
        ),
        (
            "[[scope]]\nowner = \"/\"\n",
            2,
            "a user, an organisation or a group",
        ),
        ("[[repository]]\nname = \"a/b\"\npaused = 1\n", 3, ""),
    ] {
        let lines = mistakes(text);
        let start = format!("line {line}: ");
        assert!(
            lines[0].starts_with(&start) && lines[0].contains(part),
            "{text}: {lines:?}"
        );
    }
}

/// Connections of one user: each repository once at each host.
fn connections() -> impl Strategy<Value = Vec<Connected>> {
    let one = (0_u8..2, 0_u8..2, 0_u8..3, 0_u8..4, 1_u8..8, any::<bool>());
    prop::collection::vec(one, 0..24).prop_map(|all| {
        let mut seen = BTreeSet::new();
        let mut connected = Vec::new();
        for (n, (kind, host, owner, name, events, is_enabled)) in (0..).zip(all) {
            let provider = ProviderKind::ALL[usize::from(kind)];
            let full_name = format!("owner{owner}/Repo.{name}");
            if !seen.insert((provider, host, full_name.clone())) {
                continue;
            }
            let names = match provider {
                ProviderKind::Github => ["check_run", "push", "workflow_run"],
                ProviderKind::Gitlab => ["issues_events", "pipeline_events", "push_events"],
            };
            let chosen = (0..3).filter(|bit| events & (1 << bit) != 0);
            connected.push(Connected {
                id: format!("con_{n}"),
                provider,
                host: format!("host{host}.test:8443").parse().unwrap(),
                full_name: full_name.parse().unwrap(),
                events: chosen.map(|bit| names[bit].to_owned()).collect(),
                is_enabled,
            });
        }
        connected
    })
}

/// What the connections are once the steps are done.
fn done(connected: &[Connected], plan: &Plan) -> Vec<Connected> {
    let mut after = connected.to_vec();
    for step in &plan.steps {
        let at = |c: &Connected| after.iter().position(|it| it.id == c.id).unwrap();
        match step {
            Step::Connect(entry) => {
                let events = entry.events.clone().unwrap_or_else(|| vec!["push".into()]);
                after.push(Connected {
                    id: format!("new_{}", after.len()),
                    provider: entry.provider,
                    host: entry
                        .host
                        .clone()
                        .unwrap_or_else(|| "default.test".parse().unwrap()),
                    full_name: entry.full_name.clone(),
                    events,
                    is_enabled: !entry.is_paused,
                });
            }
            Step::SetEvents(c, events) => {
                let at = at(c);
                after[at].events.clone_from(events);
            }
            Step::Resume(c) | Step::Pause(c) => {
                let at = at(c);
                after[at].is_enabled = matches!(step, Step::Resume(_));
            }
            Step::Disconnect(c) => {
                let at = at(c);
                drop(after.remove(at));
            }
        }
    }
    after
}

fn entries(connected: &[Connected]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = connected.iter().cloned().map(Connected::entry).collect();
    entries.sort_by_key(Entry::key);
    entries
}

proptest! {
    #[test]
    fn what_is_exported_changes_nothing_when_it_is_applied(connected in connections()) {
        let text = written(&entries(&connected));
        let wanted = Wanted::parse("export", &text).unwrap();
        prop_assert_eq!(wanted.count, Some(connected.len()));
        let plan = plan(&wanted, &connected, true).unwrap();
        prop_assert_eq!(&plan.steps, &[]);
        prop_assert_eq!(plan.unchanged, connected.len());
        prop_assert!(requests(&plan).is_empty());
    }

    /// Whatever is there, applying a file makes it so, and once more does nothing. Only what its
    /// owners have is pruned.
    #[test]
    fn a_file_is_applied_once(
        before in connections(),
        wanted in connections(),
        prunes: bool,
    ) {
        let file = Wanted::parse("file", &written(&entries(&wanted))).unwrap();
        let first = plan(&file, &before, prunes).unwrap();
        let after = done(&before, &first);
        let second = plan(&file, &after, prunes).unwrap();
        prop_assert_eq!(&second.steps, &[]);
        let place = |c: &Connected| (c.provider, c.host.clone(), c.full_name.folded());
        for one in &wanted {
            let found: Vec<_> = after.iter().filter(|c| place(c) == place(one)).collect();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!((&found[0].events, found[0].is_enabled), (&one.events, one.is_enabled));
        }
        let owner = |c: &Connected| (c.provider, c.host.clone(), c.full_name.owner().to_owned());
        let owners: BTreeSet<_> = wanted.iter().map(owner).collect();
        for one in &before {
            let is_left = after.iter().any(|c| c.id == one.id);
            let is_named = wanted.iter().any(|c| place(c) == place(one));
            let is_pruned = prunes && !is_named && owners.contains(&owner(one));
            prop_assert_eq!(is_left, !is_pruned);
        }
    }

    /// A file that was cut off anywhere is refused, or prunes nothing.
    #[test]
    fn a_file_that_was_cut_off_is_refused(
        connected in connections(),
        at in any::<prop::sample::Index>(),
    ) {
        let text = written(&entries(&connected));
        let cut = at.index(text.len());
        match Wanted::parse("file", &text[..cut]) {
            Err(_) => {}
            Ok(wanted) if wanted.count.is_none() => prop_assert_eq!(wanted.entries, &[]),
            Ok(wanted) => prop_assert_eq!(wanted.entries, entries(&connected)),
        }
    }
}

#[test]
fn a_name_without_a_host_means_the_only_one_and_is_never_pruned_at_another() {
    let at = |id: &str, host: &str, name: &str| Connected {
        id: id.into(),
        provider: ProviderKind::Github,
        host: host.parse().unwrap(),
        full_name: name.parse().unwrap(),
        events: vec!["push".into()],
        is_enabled: true,
    };
    let wanted = parse("count = 1\n[[repository]]\nname = \"O/R\"\n").unwrap();
    let one = [
        at("1", "github.com", "o/r"),
        at("2", "github.com", "o/old"),
        at("3", "github.com", "p/r"),
    ];
    assert_eq!(
        plan(&wanted, &one, false).unwrap(),
        Plan {
            steps: vec![],
            unchanged: 1,
            not_replaced: 0
        }
    );
    let pruned = plan(&wanted, &one, true).unwrap();
    assert_eq!(pruned.steps, [Step::Disconnect(one[1].clone())]);
    let two = [at("1", "github.com", "o/r"), at("2", "ghe.test", "o/old")];
    assert!(plan(&wanted, &two, true).is_err());
    assert_eq!(plan(&wanted, &two, false).unwrap().steps, []);
    let both = [at("1", "github.com", "o/r"), at("2", "ghe.test", "o/r")];
    assert!(plan(&wanted, &both, false).is_err());
}

#[test]
fn hooks_of_others_are_replaced_where_the_file_says_so() {
    let text = "replace_existing = true\n\
        [[repository]]\nname = \"o/a\"\n\
        [[repository]]\nname = \"o/b\"\nreplace_existing = false\n\
        [[repository]]\nname = \"o/c\"\nreplace_existing = \"https://old.example/*\"\n";
    let wanted = Wanted::parse("f", text).unwrap();
    let replaces: Vec<_> = wanted.entries.iter().map(|e| e.replaces.clone()).collect();
    let matching = Replace::matching("https://old.example/*").unwrap();
    assert_eq!(
        replaces,
        [Some(Replace::SameReceiver), None, Some(matching)]
    );
    let first = plan(&wanted, &[], false).unwrap();
    let steps: Vec<_> = first.steps.iter().map(Step::to_json).collect();
    let replaces: Vec<_> = steps
        .iter()
        .map(|step| step["replaces_existing"] == true)
        .collect();
    assert_eq!(replaces, [true, false, true]);
    assert_eq!(first.not_replaced, 0);
    // Only with a new connection.
    let connected = ["o/a", "o/b"].map(|name| Connected {
        id: name.into(),
        provider: ProviderKind::Github,
        host: "github.com".parse().unwrap(),
        full_name: name.parse().unwrap(),
        events: vec!["push".into()],
        is_enabled: true,
    });
    let again = plan(&wanted, &connected, false).unwrap();
    let counts = (again.steps.len(), again.unchanged, again.not_replaced);
    assert_eq!(counts, (1, 2, 1));
    for bad in ["replace_existing = 7", "replace_existing = \"\""] {
        let text = format!("{bad}\n[[repository]]\nname = \"o/a\"\n");
        let failed = Wanted::parse("f", &text).unwrap_err();
        assert_eq!(failed.code(), Some("bad_file"), "{bad}");
        assert!(
            failed.lines()[0].starts_with("line 1"),
            "{:?}",
            failed.lines()
        );
    }
}
