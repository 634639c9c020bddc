//! What is accepted, what is refused and in which words.

mod limits;
mod sinks;
mod written;

use super::*;

const EXAMPLE: &str = include_str!("../../config/hookherd.toml");

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter();
    let environment = Environment {
        variables: variables
            .map(|(n, v)| ((*n).to_owned(), (*v).into()))
            .collect(),
        credentials: None,
    };
    Config::read(Some((Path::new("hookherd.toml"), text)), &environment)
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    read(text, &[])
}

fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    read("", variables)
}

fn error_of(config: Result<Config, ConfigError>) -> String {
    config.unwrap_err().to_string()
}

#[track_caller]
fn assert_error(config: Result<Config, ConfigError>, parts: &[&str]) {
    let error = error_of(config);
    for part in parts {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn the_file_that_holds_the_defaults_changes_nothing() {
    let shown = |text: &str| format!("{:?}", parse(text).unwrap());
    assert_eq!(shown(EXAMPLE), shown(""));
}

#[test]
fn defaults_make_a_configuration() {
    let config = parse("").unwrap();
    assert_eq!(config.github[0].host.as_str(), "github.com");
    assert_eq!(config.gitlab[0].host.as_str(), "gitlab.com");
    assert_eq!(config.gitlab[0].write_pause, Duration::from_millis(100));
    assert_eq!(config.health.check_interval, Duration::from_mins(30));
    assert_eq!(config.ingress.max_body_bytes, 25 << 20);
    assert!(config.seal_key.is_none() && config.admin_token.is_none());
}

#[test]
fn enterprise_hosts_are_named_by_their_host() {
    let text = r#"
        [providers.github]
        more_api_urls = ["https://ghe.example/api/v3", "http://127.0.0.1:99/api/v3"]
    "#;
    let hosts: Vec<_> = parse(text)
        .unwrap()
        .github
        .into_iter()
        .map(|g| g.host.to_string())
        .collect();
    assert_eq!(hosts, ["github.com", "ghe.example", "127.0.0.1:99"]);
}

#[test]
fn several_gitlabs_are_served_at_once_or_none() {
    let hosts = |text: &str| -> Vec<String> {
        let gitlab = parse(text).unwrap().gitlab.into_iter();
        gitlab.map(|g| g.host.to_string()).collect()
    };
    let more = "[providers.gitlab]\nmore_api_urls = [\"https://git.example:8443/gl/api/v4\"]";
    assert_eq!(hosts(more), ["gitlab.com", "git.example:8443"]);
    let off = "[providers.gitlab]\napi_url = \"\"";
    assert!(hosts(off).is_empty());
    let own = format!("{off}\nmore_api_urls = [\"https://git.example/api/v4\"]");
    assert_eq!(hosts(&own), ["git.example"]);
}

#[test]
fn mistakes_are_told_with_key_value_and_what_would_do() {
    let table = [
        (
            "[server]\npublic_url = \"http://example.org\"",
            "server.public_url",
        ),
        (
            "[server]\npublic_url = \"https://u:p@example.org\"",
            "server.public_url",
        ),
        ("[server]\nlisten = \"everywhere\"", "server.listen"),
        ("[health]\ncheck_interval = \"30\"", "health.check_interval"),
        ("[health]\ncheck_interval = \"0s\"", "greater than zero"),
        ("[health]\nbacklog_notice = \"30s\"", "from 1m"),
        ("[health]\nbacklog_notice = \"2days\"", "to 24h"),
        ("[health]\ntoken_expiry_notice = \"1h\"", "from 1day"),
        ("[health]\ntoken_expiry_notice = \"1year\"", "to 90days"),
        ("[ingress]\nmax_body = \"lots\"", "ingress.max_body"),
        ("[ingress]\nmax_body = \"0\"", "a size from 64.0 KiB"),
        ("[ingress]\nmax_body = \"1B\"", "a size from 64.0 KiB"),
        ("[ingress]\nmax_body = \"1GiB\"", "8 times ingress.max_body"),
        (
            "[ingress]\nmax_bytes_in_flight = \"1MiB\"",
            "8 times ingress.max_body",
        ),
        ("[limits]\nanswer_bytes = \"1B\"", "a size from 4.0 MiB"),
        ("[incidents]\nbranches = []", "incidents.branches = \"[]\""),
        (
            "[incidents]\nbranches = [\" \"]",
            "incidents.branches = \"[]\"",
        ),
        ("[incidents]\nfailing_conclusions = []", "at least one"),
        ("[incidents]\nreopen_within = \"8days\"", "at most 7days"),
        ("[incidents]\nreopen_within = \"1500ms\"", "whole seconds"),
        ("[incidents]\nreopen_within = \"soon\"", "reopen_within"),
        ("[incidents]\nflapping = \"perhaps\"", "flapping"),
        (
            "[providers.github]\napi_url = \"http://api.example.org\"",
            "providers.github.api_url",
        ),
        (
            "[providers.gitlab]\napi_url = \"ftp://gitlab.example\"",
            "providers.gitlab.api_url",
        ),
        (
            "[providers.gitlab]\nmore_api_urls = [\"https://gitlab.com/api/v4\"]",
            "providers.gitlab.more_api_urls",
        ),
        (
            "[incidents]\nfailing_conclusions = [\"red\"]",
            "\"red\" (in hookherd.toml): expected some of success, failure",
        ),
        ("[log]\nformat = \"xml\"", "log.format"),
        ("[server]\nlissten = \"127.0.0.1:1\"", "lissten"),
        ("[auth]\nadmin_token = \"short\"", "16 or more"),
        (
            "[providers.github]\nweb_url = \"http://github.example\"",
            "providers.github.web_url",
        ),
        (
            "[providers.github.oauth]\nclient_secret = \"canary\"",
            "providers.github.oauth.client_id",
        ),
        (
            "[providers.github.app]\nid = \"7\"",
            "providers.github.app.id",
        ),
    ];
    for (text, expected) in table {
        assert_error(parse(text), &[expected]);
    }
}

#[test]
fn secrets_are_neither_printed_nor_told_in_errors() {
    let config = parse(
        "[seal]\nkey = \"canary-key\"\n[auth]\nadmin_token = \"canary-token-0123456789\"\n\
         [providers.github.oauth]\nclient_id = \"c\"\nclient_secret = \"canary-secret\"\n\
         [providers.github.app]\nid = \"1\"\nprivate_key = \"canary-pem\"",
    );
    let shown = format!("{:?}", config.unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    for text in [
        "[auth]\nadmin_token = \"canary\"",
        "auth = \"canary\"",
        "[network]\nproxy = \"ftp://ann:canary@proxy.example\"",
        "[network]\nproxy = [\"http://ann:canary@proxy.example\"]",
        "network = \"http://ann:canary@proxy.example\"",
        "[server]\npublic_url = \"https://ann:canary@hooks.example\"",
        "[providers.github]\napi_url = \"ann:canary@ghe.example/api/v3\"",
        "[providers.github]\nweb_url = [\"https://ann:canary@ghe.example\"]",
        "[providers.gitlab]\nmore_api_urls = [\"https://ann:canary@git.example/api/v4\"]",
    ] {
        let error = error_of(parse(text));
        assert!(!error.contains("canary"), "{error}");
        assert!(error.contains("(not shown)"), "{error}");
    }
}
