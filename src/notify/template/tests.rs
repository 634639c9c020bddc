//! What templates can do, what they cannot, and that none takes long.

use super::*;
use crate::notify::tests::samples::{message, resolved};

fn of(title: Option<&str>, text: Option<&str>) -> Templates {
    let (title, text) = (title.map(str::to_owned), text.map(str::to_owned));
    Templates { title, text }
}

fn title(source: &str) -> Option<String> {
    let templates = of(Some(source), None);
    check(SinkKind::Slack, &templates).unwrap();
    let (words, failed) = words(&templates, &About::from(&message()));
    assert_eq!((words.text, failed), (None, None));
    words.title
}

fn text(source: &str) -> Vec<String> {
    let templates = of(None, Some(source));
    check(SinkKind::Email, &templates).unwrap();
    let (words, failed) = words(&templates, &About::from(&message()));
    assert_eq!((words.title, failed), (None, None));
    words.text.unwrap_or_default()
}

fn refused(source: &str) -> String {
    let why = check(SinkKind::Slack, &of(Some(source), None)).unwrap_err();
    assert_eq!(why.field, "title_template");
    why.why
}

#[test]
fn a_template_uses_what_is_known_of_the_incident() {
    for (source, expected) in [
        (
            "{{ repository }}: {{ title }}",
            "octo/app: CI failed: build on main",
        ),
        (
            "{{ kind }} {{ status }} {{ severity }}",
            "opened Opened error",
        ),
        ("{{ commit }}/{{ commit_title }}", "0123abcd/Add the cache"),
        ("{{ failed_step }}", "test (linux): Run make test"),
        ("{{ occurrences }} of {{ occurrences + 1 }}", "2 of 3"),
        ("{{ first_seen_at }}", "2023-11-14 22:13:20 UTC"),
        ("[{{ resolution }}{{ resolved_at }}]", "[]"),
        ("{{ author | default('no one') }}", "ann"),
        ("{{ resolution | default('open') }}", "open"),
        ("{{ branch | upper | replace('MAIN', 'm') }}", "m"),
        ("{{ title | truncate(9) }}", "CI failed\u{2026}"),
        (
            "{% if critical %}!{% elif 'ai' in branch %}?{% endif %}x",
            "?x",
        ),
        (
            "{% if branch is startingwith('rel') %}r{% else %}b{% endif %}",
            "b",
        ),
        ("{% set who = author ~ '!' %}{{ who }}", "ann!"),
        (
            "{{ run_url }}",
            "https://github.com/octo/app/actions/runs/9001",
        ),
        ("a{# not shown: ' { * #} b", "a b"),
        (
            "{% if not resolved and occurrences > 1 %}again{% endif %}",
            "again",
        ),
    ] {
        assert_eq!(title(source).as_deref(), Some(expected), "{source}");
    }
    let templates = of(Some("{{ resolution }} {{ resolved_at }}"), None);
    let (words, _) = words(&templates, &About::from(&resolved()));
    let expected = "a later run passed 2023-11-14 22:14:20 UTC";
    assert_eq!(words.title.as_deref(), Some(expected));
}

#[test]
fn the_text_has_lines_and_tags_leave_none() {
    let source = "\n\n{{ branch }}\n{% if flaky %}\nflaky\n{% endif %}\n\n\n\tx  \n\n";
    assert_eq!(text(source), ["main", "", "x"]);
    // A line feed of ours only: values have none.
    assert_eq!(text("{{ commit_title }}|"), ["Add the cache|"]);
}

#[test]
fn what_makes_no_text_leaves_the_usual_words() {
    assert_eq!(title("{% if critical %}!{% endif %}"), None);
    assert_eq!(title("\u{200b}\u{202e} "), None);
    assert!(text("{{ resolution }}\n\n").is_empty());
}

#[test]
fn long_texts_are_cut() {
    let long = title(&format!("{{{{ '{}' }}}}", "x".repeat(400))).unwrap();
    assert_eq!((long.len(), long.ends_with('\u{2026}')), (200, true));
    let source = "{% set x = title ~ title ~ title %}{{ x }}\n{{ x }}\n".repeat(12);
    let lines = text(&source);
    let long: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert!((1_100..=1_204).contains(&long), "{long}");
    assert_eq!(lines.last().map(String::as_str), Some("\u{2026}"));
    assert_eq!(text(&"a\n".repeat(50)).len(), 31);
}

/// Templates with mistakes, and what is said about them.
const MISTAKES: [(&str, &str); 27] = [
    (
        "a\n{{ brnch }}",
        "line 2: there is no `brnch`; there are kind, status, ",
    ),
    (
        "{% if flaky %}\n\n{{ nope }}{% endif %}",
        "line 3: there is no `nope`",
    ),
    ("{{ title", "line 1: syntax error: unexpected end of input"),
    (
        "a\n{% if %}x{% endif %}",
        "line 2: syntax error: unexpected end of block",
    ),
    (
        "{% if flaky %}x",
        "line 1: syntax error: unexpected end of input",
    ),
    (
        "\n\n{{ title | nope }}",
        "line 3: unknown filter: filter nope is unknown",
    ),
    ("{{ title is nope }}", "line 1: unknown test"),
    ("{{ title + 1 }}", "line 1: invalid operation"),
    (
        "{% if critical %}{{ 1 / 0 }}{% endif %}",
        "line 1: invalid operation",
    ),
    (
        "{% if kind == 'worse' %}{{ title / 2 }}{% endif %}",
        "line 1: invalid operation",
    ),
    (
        "\n{% include 'x' %}",
        "line 2: there are only the tags if, elif, else, endif, set",
    ),
    (
        "{% for x in title %}{% endfor %}",
        "line 1: there are only the tags",
    ),
    (
        "{% macro x() %}{% endmacro %}",
        "line 1: there are only the tags",
    ),
    (
        "{% raw %}{{ x }}{% endraw %}{% raw",
        "line 1: there are only the tags",
    ),
    ("{{ 'a' * 9 }}", "line 1: `*` has no meaning here"),
    ("{{ 9 ** 9 }}", "line 1: `**` has no meaning here"),
    ("{{ [1] }}", "line 1: `[` has no meaning here"),
    ("{{ {'a': 1} }}", "line 1: `{` has no meaning here"),
    ("{{ (1, 2) }}", "line 1: `,` has no meaning here"),
    ("{% set x = 1, 2 %}", "line 1: `,` has no meaning here"),
    (
        "{% if (1, 2) %}{% endif %}",
        "line 1: `,` has no meaning here",
    ),
    (
        "{% if title in (1, 2) %}{% endif %}",
        "line 1: `,` has no meaning here",
    ),
    (
        "{{ title | replace((1, 2), 'a') }}",
        "line 1: `,` has no meaning here",
    ),
    ("{{ title.x }}", "line 1: `.` has no meaning here"),
    ("{{ range(9) }}", "line 1: there is no `range`"),
    ("{{ title | safe }}", "line 1: unknown filter"),
    (
        "{{ title | replace('', title) }}{{ 1",
        "line 1: syntax error",
    ),
];

#[test]
fn each_mistake_is_named_with_its_line() {
    for (source, expected) in MISTAKES {
        let why = refused(source);
        assert!(why.starts_with(expected), "{source}: {why}");
        assert!(!why.contains(['\n', '\r']) && why.len() < 700, "{why}");
    }
}

#[test]
fn a_kind_refuses_what_it_does_not_take_and_what_is_too_long() {
    let both = of(Some("a"), Some("b"));
    let field = |kind, templates: &Templates| check(kind, templates).map_err(|why| why.field);
    assert_eq!(field(SinkKind::Webhook, &both), Err("title_template"));
    let text = of(None, Some("b"));
    assert_eq!(field(SinkKind::Webhook, &text), Err("text_template"));
    assert_eq!(field(SinkKind::Pagerduty, &both), Err("text_template"));
    assert_eq!(field(SinkKind::Pagerduty, &of(Some("a"), None)), Ok(()));
    for kind in SinkKind::ALL {
        assert_eq!(field(kind, &Templates::default()), Ok(()));
        let is_taken = Part::ALL.iter().all(|part| kind.takes_template(*part));
        assert_eq!(field(kind, &both).is_ok(), is_taken, "{}", kind.as_str());
    }
    for (title, text, expected) in [(500, 2_000, Ok(())), (501, 1, Err("title_template"))] {
        let long = of(Some(&"a".repeat(title)), Some(&"a".repeat(text)));
        assert_eq!(field(SinkKind::Slack, &long), expected);
    }
    let long = of(None, Some(&"a".repeat(2_001)));
    assert_eq!(field(SinkKind::Slack, &long), Err("text_template"));
}

/// What was checked may fail all the same, by a version whose checks were others.
#[test]
fn a_template_that_fails_leaves_the_usual_words_and_says_why() {
    let about = message();
    let templates = of(Some("{{ gone }}"), Some("{{ branch }}"));
    let (words, failed) = words(&templates, &About::from(&about));
    assert_eq!(words.title, None);
    assert_eq!(words.text, Some(vec!["main".to_owned()]));
    let (part, why) = failed.unwrap();
    assert_eq!((part, why.line), (Part::Title, 1));
}

/// The part of a template with as many of a piece as fit.
fn filled(before: &str, piece: &str, after: &str) -> String {
    let room = crate::domain::sink::template::TEXT_BYTES_MAX - before.len() - after.len();
    format!("{before}{}{after}", piece.repeat(room / piece.len()))
}

/// The worst that was found: each ends, without a deep stack and without much memory.
#[test]
fn no_template_takes_long_or_much_of_anything() {
    let doubling = "{% set x = 'aaaaaaaaaaaaaaaaaaaa' %}";
    let tag = format!("{{{{ title{} }}}}", "+1".repeat(49));
    let all = [
        filled("{{ title", "()", "}}"),
        filled("{{ title", "|upper", "}}"),
        filled("{{ 1", "+1", "}}"),
        filled("{{ ", "-", "1}}"),
        filled("{{ ", "not ", "1}}"),
        filled("{{ ", "(", "1}}"),
        filled("{{ title", " if title else title", "}}"),
        filled("{% if flaky %}", "{% elif flaky %}", "{% endif %}"),
        filled("", "{% if flaky %}", ""),
        filled("", "{% set x %}", ""),
        filled("", &tag, ""),
        filled(doubling, "{% set x = x ~ x %}", "{{ x }}"),
        filled(doubling, "{% set x = x + x %}", "{{ x }}"),
        filled(doubling, "{% set x = x|replace('a', x) %}", "{{ x }}"),
        filled(
            "{% set x %}{{ title }}{% endset %}",
            "{% set x %}{{x}}{{x}}{% endset %}",
            "",
        ),
        filled(
            "{% if flaky %}",
            "{% if flaky %}",
            &"{% endif %}".repeat(50),
        ),
        "{{ title | truncate(999999999999) }}".to_owned(),
        "{{ 9999999999999999999999 + 1 }}".to_owned(),
        "{{ title | replace('', title) }}".to_owned(),
    ];
    let run = move || {
        for source in &all {
            let templates = of(None, Some(source));
            let is_checked = check(SinkKind::Email, &templates).is_ok();
            let (words, failed) = words(&templates, &About::from(&message()));
            assert!(!is_checked || failed.is_none(), "{source}: {failed:?}");
            let lines = words.text.unwrap_or_default();
            assert!(lines.concat().len() <= 1_200, "{source}");
        }
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    thread.spawn(run).unwrap().join().unwrap();
}

/// Lists that are made lazily have no end that fuel sees: there must be none.
#[test]
fn no_value_is_a_list() {
    for values in samples::all() {
        let is_plain = |value: &Value| value.as_object().is_none();
        assert!(values.values().all(is_plain));
    }
    let all = About::from(&message()).values();
    let known: Vec<&str> = all.keys().copied().collect();
    let mut named: Vec<&str> = context::NAMES.iter().map(|(name, _)| *name).collect();
    named.sort_unstable();
    assert_eq!(known, named);
    assert!(all.values().all(|value| value.as_object().is_none()));
}

#[test]
fn the_documentation_has_every_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/notifications.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("## Templates\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for (name, _) in context::NAMES {
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}

proptest::proptest! {
    /// Of pieces of templates in any order: what is accepted never fails at sending.
    #[test]
    fn what_is_accepted_is_rendered(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "{{", "}}", "{%", "%}", " if ", " else ", " endif ", " set x = ", "x", " title ",
                "occurrences", "|upper", "|replace('a','b')", "(", ")", ",", "'", "\"", "+", "~",
                " in ", " not ", " is ", "{#", "#}", "-", "1", "\n", " critical ", "==", "<", "\\",
                " elif ", "startingwith('a')", "raw", "endraw", "\u{e9}", "0x", "1e9", "=",
            ]), 0..40)
    ) {
        let templates = of(None, Some(&pieces.concat()));
        if check(SinkKind::Email, &templates).is_ok() {
            let full = message();
            for of in [full, resolved()] {
                let (_, failed) = words(&templates, &About::from(&of));
                proptest::prop_assert_eq!(failed, None);
            }
        }
    }
}
