//! What excerpts of logs have, and what they never have.

use super::*;

fn of(log: &str, form: LogForm) -> String {
    Excerpt::of(log.as_bytes(), form, false).map_or_else(String::new, |found| found.text)
}

#[test]
fn of_actions_the_lines_up_to_the_last_error_are_shown() {
    let log = "\u{feff}2026-11-30T02:00:00.1234567Z ##[group]Run make test\n\
               2026-11-30T02:00:00.2Z \u{1b}[36;1mmake test\u{1b}[0m\n\
               2026-11-30T02:00:00.3Z ##[endgroup]\n\
               2026-11-30T02:00:01.3Z   left: 1\r\n\
               2026-11-30T02:00:01.4Z make: *** [Makefile:3: test] Error 1\n\
               2026-11-30T02:00:01.5Z ##[error]Process completed with exit code 2.\n\
               2026-11-30T02:00:02.5Z Post job cleanup.\n\
               2026-11-30T02:00:02.6Z [command]/usr/bin/git version\n";
    assert_eq!(
        of(log, LogForm::Actions),
        "Run make test\nmake test\n  left: 1\nmake: *** [Makefile:3: test] Error 1\n\
         Error: Process completed with exit code 2.\n"
    );
    let without_error = "2026-11-30T02:00:00Z one\ntwo\n";
    assert_eq!(of(without_error, LogForm::Actions), "one\ntwo\n");
}

#[test]
fn of_gitlab_the_jobs_own_commands_are_shown() {
    let log = "Running with gitlab-runner 17.5\n\
               section_start:1700000000:prepare_executor\r\u{1b}[0K\u{1b}[36;1mPreparing\u{1b}[0m\n\
               Using Docker\n\
               section_end:1700000001:prepare_executor\r\u{1b}[0K\n\
               section_start:1700000001:step_script\r\u{1b}[0K\u{1b}[0K\
               \u{1b}[36;1mExecuting\u{1b}[0m\n\
               $ make test\n\
               FAILED: adds\n\
               section_end:1700000009:step_script\r\u{1b}[0K\
               section_start:1700000009:cleanup_file_variables[collapsed=true]\r\u{1b}[0K\
               Cleaning up\n\
               section_end:1700000010:cleanup_file_variables\r\u{1b}[0K\
               \u{1b}[31;1mERROR: Job failed: exit code 1\n\
               \u{1b}[0;m\n";
    let expected = "Executing\n$ make test\nFAILED: adds\nERROR: Job failed: exit code 1\n";
    assert_eq!(of(log, LogForm::Gitlab), expected);
    let timed: Vec<String> = log
        .lines()
        .map(|line| format!("2026-11-30T02:00:00.123456Z 00O {line}"))
        .collect();
    let timed = timed.join("\n");
    assert_eq!(of(&timed, LogForm::Gitlab), expected);
    let end = "upload\nERROR: Job failed: exit code 1\n";
    assert_eq!(of(end, LogForm::Gitlab), end);
}

#[test]
fn an_excerpt_is_short_and_says_whether_more_stands_before_it() {
    let long: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
    let long = long.join("\n");
    let found = Excerpt::of(long.as_bytes(), LogForm::Actions, false).unwrap();
    assert!(found.is_cut && found.text.lines().count() == LINES_MAX);
    assert!(found.text.ends_with("line 999\n"));
    let wide = format!("{}\n", "x".repeat(100_000)).repeat(100);
    let found = Excerpt::of(wide.as_bytes(), LogForm::Gitlab, false).unwrap();
    assert!(found.text.len() <= BYTES_MAX, "{}", found.text.len());
    let found = Excerpt::of(b"one\n", LogForm::Actions, true).unwrap();
    assert_eq!((found.text.as_str(), found.is_cut), ("one\n", true));
    for nothing in ["", "\n\n", "\u{200b}\u{202e}\n", "\u{1b}[0m"] {
        assert_eq!(
            Excerpt::of(nothing.as_bytes(), LogForm::Actions, true),
            None
        );
    }
}

#[test]
fn nothing_hidden_and_no_secret_is_left() {
    let hostile = "a\u{202e}b\u{0}c\u{200b}d\n\u{1b}]8;;https://evil.example\u{7}click\n\
                   TOKEN=ghp_0123456789abcdefghijABCDEFGHIJ0123\n\u{ff}";
    let found = of(hostile, LogForm::Actions);
    assert_eq!(found, "abcd\nclick\nTOKEN=***\n\u{ff}\n");
    let not_text = [0xff, 0xfe, b'o', b'k', b'\n'];
    let found = Excerpt::of(&not_text, LogForm::Actions, false).unwrap();
    assert!(found.text.ends_with("ok\n"));
}

proptest::proptest! {
    #[test]
    fn any_log_has_a_short_excerpt(log in ".{0,400}", bytes: Vec<u8>) {
        for form in LogForm::ALL {
            for log in [log.as_bytes(), &bytes] {
                if let Some(found) = Excerpt::of(log, form, false) {
                    assert!(found.text.len() <= BYTES_MAX && found.text.ends_with('\n'));
                    assert!(found.text.lines().all(|line| !line.trim().is_empty()));
                }
            }
        }
    }
}
