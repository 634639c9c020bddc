//! Where notifications may be sent.

use super::*;

#[test]
fn nothing_besides_the_internet_is_allowed_by_default() {
    let sinks = parse("").unwrap().sinks;
    assert_eq!((sinks.allow, sinks.use_proxy), (Allowed::default(), false));
}

#[test]
fn heartbeats_are_a_minute_apart_unless_configured_and_never_too_far() {
    assert_eq!(parse("").unwrap().sinks.heartbeat.as_secs(), 60);
    let text = "[sinks]\nheartbeat = \"2s\"";
    assert_eq!(parse(text).unwrap().sinks.heartbeat.as_secs(), 2);
    for text in ["100ms", "1h"] {
        let config = with(&[("HOOKHERD__SINKS__HEARTBEAT", text)]);
        let error = config.unwrap_err().to_string();
        assert!(error.contains("from 1s to 10m"), "{error}");
    }
}

#[test]
fn hosts_and_networks_are_read_from_the_file_and_from_a_variable() {
    let entries = ["chat.internal:8065", "10.0.0.0/8", "[fd00::/8]:443", "::1"];
    let expected = Allowed::new(entries.map(|entry| entry.parse().unwrap()).to_vec());
    let text = format!("[sinks]\nallow = {entries:?}\nuse_proxy = true");
    let sinks = parse(&text).unwrap().sinks;
    assert_eq!((&sinks.allow, sinks.use_proxy), (&expected, true));
    // In a variable the brackets of IPv6 are not those of a list.
    for text in [entries.join(", "), format!("{entries:?}")] {
        let config = with(&[("HOOKHERD__SINKS__ALLOW", &text)]);
        assert_eq!(config.unwrap().sinks.allow, expected, "{text}");
    }
}

#[test]
fn the_file_of_authorities_is_none_or_a_path() {
    assert_eq!(parse("").unwrap().sinks.ca_file, None);
    let text = "[sinks]\nca_file = \"/etc/company.pem\"";
    let expected = Some(std::path::PathBuf::from("/etc/company.pem"));
    assert_eq!(parse(text).unwrap().sinks.ca_file, expected);
}

#[test]
fn a_bad_entry_is_shown_with_what_is_expected() {
    for (entry, expected) in [
        ("https://chat.internal/x", "a host without scheme and path"),
        ("*.internal", "a host, an address or a network"),
        ("chat.internal:0", "a port from 1 to 65535"),
        ("fd00::/8:443", "brackets around IPv6 with a port"),
        ("10.0.0.0/40", "a length of at most 32 for IPv4"),
        ("10.1.2.3/8", "which is 10.0.0.0"),
        ("0x7f.1", "the usual notation of the address, 127.0.0.1"),
    ] {
        let text = format!("[sinks]\nallow = [\"chat.internal\", {entry:?}]");
        let place = format!("sinks.allow = {entry:?} (in hookherd.toml): expected ");
        assert_error(parse(&text), &[&place, expected]);
    }
    assert_error(
        parse("[sinks]\nallow = [1]"),
        &["sinks.allow", "a list of strings"],
    );
    let user = "[sinks]\nallow = [\"https://ann:canary@chat.internal\"]";
    let error = error_of(parse(user));
    assert!(
        !error.contains("canary") && error.contains("(not shown)"),
        "{error}"
    );
}
