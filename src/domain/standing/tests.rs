//! Tables of hooks and whose they are.

use super::*;
use crate::domain::lifecycle::{Hook, Phase};
use crate::domain::repo::RepositoryId;
use crate::domain::samples;

const OURS: &str = "https://hooks.example/base";
const KEY: &str = "60rk4csm6mv3ee1sc5h66s35cskpgtba";

fn repository(id: u64) -> Repository {
    Repository {
        id: RepositoryId(id),
        full_name: "o/r".parse().unwrap(),
        default_branch: None,
        is_archived: false,
        can_manage_hooks: Some(true),
    }
}

fn connection() -> Connection {
    let mut connection = samples::connection(1, "o/r");
    connection.hook_key = KEY.parse().unwrap();
    connection.repository = Some(RepositoryId(7));
    connection.events = vec!["push".into(), "workflow_run".into()];
    connection
}

/// Judges a hook with the id 5 in the repository 7.
fn judged(
    url: &str,
    events: &[&str],
    by_key: Option<&Connection>,
    own: Option<&Connection>,
) -> Standing {
    let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
    let instance = samples::github();
    let seen = Seen {
        hook: HookId(5),
        url: Some(url),
        events: &events,
        instance: &instance,
        repository: &repository(7),
        public_url: OURS,
    };
    let known = Known {
        by_key,
        of_repository: own.map_or(&[], std::slice::from_ref),
        own,
    };
    judge(&seen, &known)
}

fn marked(address: &str) -> String {
    format!("{address}/api/v2/webhooks/github/{KEY}")
}

#[test]
fn a_url_leads_to_a_key_to_our_host_or_elsewhere() {
    let key = KEY.parse().unwrap();
    let with = |is_here| Lead::Key { key, is_here };
    for (url, expected) in [
        (marked(OURS), with(true)),
        (marked("https://HOOKS.example:443/base/"), with(true)),
        (marked("http://hooks.example/base") + "?x=1#y", with(true)),
        (marked("https://hooks.example//base/") + "/", with(true)),
        // Another Hookherd behind the same host, by its path or its port.
        (marked("https://hooks.example"), with(false)),
        (marked("https://hooks.example/base/other"), with(false)),
        (marked("https://hooks.example:8443/base"), with(false)),
        (marked("https://old.example"), with(false)),
        (
            format!("https://old.example/api/v2/webhooks/gitlab/{KEY}"),
            with(false),
        ),
        // Neither a provider nor a key of ours.
        (format!("{OURS}/api/v2/webhooks/gitea/{KEY}"), Lead::Host),
        (format!("{OURS}/api/v2/webhooks/github/{KEY}x"), Lead::Host),
        (format!("{OURS}/api/v2/webhooks/github"), Lead::Host),
        (format!("{OURS}/api/v1/webhooks/github"), Lead::Host),
        ("https://hooks.example./jenkins/?token=1".into(), Lead::Host),
        ("https://hooks.example:8443/hook".into(), Lead::Elsewhere),
        (
            "https://ci.example/hooks.example/base".into(),
            Lead::Elsewhere,
        ),
        ("https://hooks.example@ci.example/".into(), Lead::Elsewhere),
        (
            "https://hooks.example.evil.example/".into(),
            Lead::Elsewhere,
        ),
        ("hooks.example".into(), Lead::Elsewhere),
        (String::new(), Lead::Elsewhere),
    ] {
        assert_eq!(lead(Some(&url), OURS), expected, "{url}");
    }
    assert_eq!(lead(None, OURS), Lead::Elsewhere);
    assert_eq!(lead(Some("https://x.example"), "nonsense"), Lead::Elsewhere);
}

#[test]
fn a_hook_of_ours_is_an_orphan_only_when_no_connection_answers_for_it() {
    let (here, there) = (marked(OURS), marked("https://old.example"));
    assert_eq!(judged(&here, &[], None, None), Standing::Orphan);
    assert_eq!(judged(&there, &[], None, None), Standing::OtherAddress);
    // Of whatever user, in whatever state: being created, deleted, in doubt, suspended, paused.
    let states = [
        (
            Desired::Active,
            Phase::Creating { attempt: 0 },
            Hook::Absent,
        ),
        (
            Desired::Active,
            Phase::Waiting { attempt: 3 },
            Hook::Unknown(None),
        ),
        (Desired::Active, Phase::Active, Hook::Present(HookId(6))),
        (Desired::Paused, Phase::Idle, Hook::Absent),
        (
            Desired::Removed { delete_hook: true },
            Phase::Deleting { attempt: 0 },
            Hook::Present(HookId(5)),
        ),
        (
            Desired::Removed { delete_hook: true },
            Phase::Settling,
            Hook::Absent,
        ),
    ];
    for (desired, phase, hook) in states {
        let mut c = connection();
        (c.lifecycle.desired, c.lifecycle.phase, c.lifecycle.hook) = (desired, phase, hook);
        assert_eq!(
            judged(&here, &[], Some(&c), None),
            Standing::Kept,
            "{desired:?}"
        );
        assert_eq!(
            judged(&there, &[], Some(&c), None),
            Standing::Kept,
            "a former address"
        );
        // One that does not know its repository yet may be this one's.
        c.repository = None;
        assert_eq!(judged(&here, &[], Some(&c), None), Standing::Kept);
        c.repository = Some(RepositoryId(8));
        assert_eq!(judged(&here, &[], Some(&c), None), Standing::Misplaced);
        // What was left at the provider on purpose belongs to no connection any more.
        c.lifecycle.desired = Desired::Removed { delete_hook: false };
        assert_eq!(judged(&here, &[], Some(&c), None), Standing::Orphan);
    }
}

#[test]
fn a_hook_is_kept_by_its_id_at_any_url() {
    for hook in [Hook::Present(HookId(5)), Hook::Unknown(Some(HookId(5)))] {
        let mut c = connection();
        c.lifecycle.hook = hook;
        for url in [
            &marked(OURS),
            "https://ci.example/",
            "https://hooks.example/x",
            "",
        ] {
            assert_eq!(
                judged(url, &["push"], None, Some(&c)),
                Standing::Kept,
                "{url}"
            );
        }
        c.instance.host = "ghe.example".parse().unwrap();
        assert_eq!(
            judged("https://hooks.example/x", &[], None, Some(&c)),
            Standing::SameReceiver
        );
    }
}

#[test]
fn hooks_of_others_are_told_by_their_host_and_their_events() {
    let own = connection();
    let elsewhere = "https://ci.example/hook";
    for (url, events, own, expected) in [
        (
            "https://hooks.example/old/hook",
            vec![],
            None,
            Standing::SameReceiver,
        ),
        (
            "https://hooks.example/old/hook",
            vec!["push"],
            Some(&own),
            Standing::SameReceiver,
        ),
        (
            elsewhere,
            vec!["push", "issues"],
            Some(&own),
            Standing::SameEvents,
        ),
        (elsewhere, vec!["*"], Some(&own), Standing::SameEvents),
        (elsewhere, vec!["issues"], Some(&own), Standing::Unrelated),
        (elsewhere, vec![], Some(&own), Standing::Unrelated),
        (elsewhere, vec!["push"], None, Standing::Unrelated),
    ] {
        assert_eq!(
            judged(url, &events, None, own),
            expected,
            "{url} {events:?}"
        );
    }
    let taken: Vec<_> = Standing::ALL
        .into_iter()
        .filter(|it| it.may_be_taken())
        .collect();
    assert_eq!(
        taken,
        [
            Standing::Orphan,
            Standing::OtherAddress,
            Standing::Misplaced,
            Standing::SameReceiver
        ]
    );
}

#[test]
fn what_is_shown_of_a_url_holds_no_secret_of_others() {
    for (url, expected) in [
        (
            "https://hooks.example/old/hook?token=canary#c",
            "https://hooks.example/old/hook?...",
        ),
        ("https://canary:canary@ci.example/", "https://ci.example"),
        (
            "https://ci.example:8443/services/canary",
            "https://ci.example:8443/...",
        ),
        (
            "https://ci.example/canary?canary",
            "https://ci.example/...?...",
        ),
        ("canary", "(not a URL)"),
    ] {
        assert_eq!(shown(url, OURS), expected);
    }
    assert_eq!(
        shown(&marked("https://old.example"), OURS),
        marked("https://old.example")
    );
    let long = format!("https://hooks.example/{}", "a".repeat(5000));
    assert_eq!(shown(&long, OURS).len(), SHOWN_CHARS_MAX);
}

#[test]
fn a_fingerprint_is_of_the_id_and_the_url() {
    let of = |id, url| Fingerprint::of(HookId(id), url);
    let one = of(1, Some("https://a.example"));
    assert_ne!(one, of(2, Some("https://a.example")));
    assert_ne!(one, of(1, Some("https://a.example/")));
    assert_eq!(one.to_string().parse(), Ok(one));
    assert_eq!(Fingerprint::from_bytes(*one.as_bytes()), one);
    for bad in ["", "00", &one.to_string().to_uppercase(), "zz"] {
        assert_eq!(bad.parse::<Fingerprint>(), Err(BadFingerprint), "{bad}");
    }
}
