//! Limits that cannot be meant are refused, with the key and what would do.

use super::{Config, assert_error, error_of, parse, with};
use std::time::Duration;

/// A line of a section, and what is said of it.
#[track_caller]
fn assert_refused(section: &str, line: &str, says: &[&str]) {
    assert_error(parse(&format!("[{section}]\n{line}")), says);
}

const NUMBERS: [&str; 12] = [
    "connections",
    "connections_per_address",
    "requests_per_minute",
    "requests_at_once",
    "tokens_per_hour",
    "tokens_per_user",
    "users",
    "credentials_per_user",
    "repositories_per_user",
    "sinks_per_user",
    "failed_connects_per_hour",
    "wrong_tokens_per_minute",
];

#[test]
fn a_number_of_nothing_or_of_too_much_is_refused() {
    for key in NUMBERS {
        let name = format!("limits.{key}");
        for (value, says) in [
            ("0", "a whole number from"),
            ("1000001", "to 1000000"),
            ("-1", "whole number"),
            ("99999999999999999999999", ""),
            ("1.5", "whole number"),
            ("true", "whole number"),
            ("\"many\"", "whole number"),
            ("[]", "whole number"),
        ] {
            let words = if says.is_empty() {
                vec![]
            } else {
                vec![name.as_str(), says]
            };
            assert_refused("limits", &format!("{key} = {value}"), &words);
        }
    }
    assert_refused(
        "limits",
        "connections = 15",
        &["limits.connections", "from 16"],
    );
}

#[test]
fn times_and_sizes_have_units_and_bounds() {
    for (section, key, bad) in [
        (
            "limits",
            "write_deadline",
            ["0s", "999ms", "11m", "10", "-1s", "soon"],
        ),
        (
            "ingress",
            "body_deadline",
            ["0s", "1ms", "1h", "10", "-1s", ""],
        ),
        (
            "limits",
            "answer_bytes",
            ["0", "3MiB", "2TiB", "-1", "lots", "64 monkeys"],
        ),
        (
            "ingress",
            "max_body",
            ["0", "1023", "2TiB", "-1", "lots", ""],
        ),
        (
            "ingress",
            "max_bytes_in_flight",
            ["0", "1KiB", "2TiB", "-1", "lots", ""],
        ),
    ] {
        let name = format!("{section}.{key}");
        for value in bad {
            assert_refused(
                section,
                &format!("{key} = \"{value}\""),
                &[&name, "expected"],
            );
        }
        assert_refused(section, &format!("{key} = 7"), &[&name]);
        assert_refused(section, &format!("{key} = false"), &[&name]);
    }
    for (section, key) in [("health", "settle_time"), ("retention", "max_age")] {
        let says = [&*format!("{section}.{key}"), "at most 1000years"];
        for value in ["1001years", "500000000000years"] {
            assert_refused(section, &format!("{key} = \"{value}\""), &says);
        }
        assert!(parse(&format!("[{section}]\n{key} = \"1000years\"")).is_ok());
    }
}

#[test]
fn secrets_are_rotated_at_most_daily_or_never() {
    let of = |value: &str| parse(&format!("[health]\nrotate_every = \"{value}\""));
    let every = |value: &str| of(value).unwrap().health.rotate_every;
    assert_eq!(parse("").unwrap().health.rotate_every, None);
    assert_eq!(every("never"), None);
    assert_eq!(every("24h"), Some(Duration::from_hours(24)));
    assert_eq!(every("90days"), Some(Duration::from_hours(24 * 90)));
    for bad in ["23h 59m", "0s", "off", "", "1001years", "-1d"] {
        let line = format!("rotate_every = \"{bad}\"");
        assert_refused("health", &line, &["health.rotate_every", "at least 24h"]);
    }
}

#[test]
fn what_contradicts_another_limit_is_refused_with_both_names() {
    assert_refused(
        "limits",
        "connections = 100\nconnections_per_address = 101",
        &[
            "limits.connections_per_address",
            "limits.connections, which is 100",
        ],
    );
    // Strangers share a quarter, and large bodies have a half of that.
    for line in ["max_body = \"33MiB\"", "max_bytes_in_flight = \"199MiB\""] {
        let says = ["ingress.max_bytes_in_flight", "8 times ingress.max_body"];
        assert_refused("ingress", line, &says);
    }
    let fits = "[ingress]\nmax_body = \"50MiB\"\nmax_bytes_in_flight = \"400MiB\"";
    assert_eq!(parse(fits).unwrap().ingress.max_body_bytes, 50 << 20);
}

#[test]
fn variables_are_held_to_the_same() {
    let refused = |name: &str, value: &str| error_of(with(&[(name, value)]));
    for (name, value) in [
        ("HOOKHERD__LIMITS__TOKENS_PER_USER", "0"),
        ("HOOKHERD__LIMITS__USERS", "-5"),
        ("HOOKHERD__LIMITS__CONNECTIONS", "many"),
        ("HOOKHERD__LIMITS__WRITE_DEADLINE", "0s"),
        ("HOOKHERD__INGRESS__MAX_BYTES_IN_FLIGHT", "8MiB"),
    ] {
        assert!(
            refused(name, value).contains(name),
            "{}",
            refused(name, value)
        );
    }
    let few = with(&[("HOOKHERD__LIMITS__USERS", " 12 ")]).unwrap();
    assert_eq!(few.limits.users, 12);
    let default: Config = with(&[]).unwrap();
    assert_eq!(
        (default.limits.users, default.limits.tokens_per_user),
        (10_000, 200)
    );
}
