//! The forms of what is printed: nothing from outside plays with a terminal, and JSON is JSON.

use super::super::commands::{done, failed, json};
use super::super::stage::{ADMIN, Stage};
use super::fake;
use serde_json::{Value, json};

/// What a terminal would obey: a control sequence, a title, an override of direction, C1, tags.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;pwned\u{7}\u{202e}evil\u{2066}\u{9b}31m\u{200b}\r\n\u{7f}";

fn is_harmless(text: &str) -> bool {
    let obeyed = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{200b}".contains(c);
    !text.contains(obeyed)
}

fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.set("HOOKHERD_TOKEN", ADMIN);
    stage
}

#[test]
fn what_comes_from_outside_cannot_play_with_the_terminal() {
    let stage = stage();
    let incident = json!({
        "id": "inc_1", "status": "open", "severity": HOSTILE, "title": HOSTILE,
        "repository_full_name": HOSTILE, "failed_jobs": [{ "name": HOSTILE }], HOSTILE: HOSTILE,
    });
    let list = json!({ "items": [incident], "next_cursor": null, "beside": HOSTILE });
    let (url, _asked) = fake::server(vec![fake::json(200, "", &list)]);
    let table = done(&stage, &["incidents", "--url", &url]);
    assert!(is_harmless(&table) && table.contains("evil"), "{table:?}");
    assert_eq!(table.lines().count(), 2, "{table:?}");
    let printed = done(&stage, &["incidents", "--url", &url, "--json"]);
    assert!(is_harmless(&printed), "{printed:?}");
    assert_eq!(json(&printed), list, "it is the same JSON");

    let (url, _asked) = fake::server(vec![fake::json(200, "", &incident)]);
    let record = done(&stage, &["incidents", "show", "inc_1", "--url", &url]);
    assert!(
        is_harmless(&record) && record.contains("evil"),
        "{record:?}"
    );
    // Every digit of a payload is kept, also of numbers that no machine number holds.
    let payload = r#"{"n":123456789012345678901234567890,"x":1.10,"t":"A"}"#;
    let delivery = format!(r#"{{"id":"dlv_1","headers":{{}},"payload":{payload}}}"#);
    let answer = fake::http(200, "content-type: application/json\r\n", &delivery);
    let (url, _asked) = fake::server(vec![answer]);
    for form in [&["--json"][..], &[]] {
        let words = ["deliveries", "show", "dlv_1", "--url", &url];
        let words: Vec<&str> = words.iter().chain(form).copied().collect();
        assert!(done(&stage, &words).contains(payload), "{form:?}");
    }

    let problem = json!({ "code": "not_found", "detail": HOSTILE });
    let (url, _asked) = fake::server(vec![fake::json(404, "", &problem)]);
    failed(
        &stage,
        &["incidents", "show", "inc_1", "--url", &url],
        "not_found, HTTP 404",
    );
    for form in [&["--json"][..], &[]] {
        let words = ["incidents", "--url", &url];
        let words: Vec<&str> = words.iter().chain(form).copied().collect();
        let output = stage.run(&words);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(is_harmless(&told) && told.contains("evil"), "{told:?}");
    }
    let output = stage.run(&["incidents", "--url", &url, "--json"]);
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    let expected = json!({ "code": "not_found", "detail": HOSTILE, "status": 404 });
    assert_eq!(told, expected);
    // What was typed in is printed, too.
    let output = stage.run(&["pause", HOSTILE, "--url", &url]);
    assert!(is_harmless(&String::from_utf8(output.stderr).unwrap()));
}

#[test]
fn a_list_that_breaks_off_or_never_ends_is_told() {
    let stage = stage();
    let page = |cursor: &str| {
        let list = json!({ "items": [{ "id": "inc_1" }], "next_cursor": cursor });
        fake::json(200, "", &list)
    };
    // The same cursor again and again is no way on.
    let (url, asked) = fake::server(vec![page("a")]);
    let output = stage.run(&["incidents", "--url", &url, "--limit", "10000"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(asked.try_iter().count(), 2);
    let problem = json!({ "code": "internal", "detail": "it broke" });
    let (url, _asked) = fake::server(vec![page("a"), fake::json(500, "", &problem)]);
    let output = stage.run(&["incidents", "--url", &url]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("it broke"));
    let (url, _asked) = fake::server(vec![fake::json(200, "", &json!({ "other": [] }))]);
    failed(&stage, &["incidents", "--url", &url], "has no items");
}
