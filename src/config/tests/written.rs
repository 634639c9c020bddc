//! Values as people write them, and where they may stand.

use super::*;
use crate::domain::run::Conclusion;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

#[test]
fn blanks_and_line_ends_around_values_do_not_count() {
    let config = with(&[
        ("WEBHOOK_BASE_URL", " https://hooks.example/ \n"),
        ("HOOKHERD__SERVER__LISTEN", "\t127.0.0.1:9\r\n"),
        ("HOOKHERD__SERVER__DATA_DIR", " /data\n"),
        (
            "HOOKHERD__PROVIDERS__GITLAB__API_URL",
            " https://git.example/api/v4\n",
        ),
        ("HOOKHERD__HEALTH__PING_INTERVAL", " 2h "),
        ("HOOKHERD__LOG__FORMAT", "json "),
        ("HOOKHERD_ADMIN_TOKEN", "  sixteen-characters-and-more\n"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.server.public_url, "https://hooks.example");
    assert_eq!(config.server.listen.port(), 9);
    assert_eq!(config.server.data_dir, Path::new("/data"));
    assert_eq!(
        config.gitlab[0].api_url.as_str(),
        "https://git.example/api/v4"
    );
    assert_eq!(config.health.ping_interval, Duration::from_hours(2));
    assert!(config.log.json);
    let token = config.admin_token.unwrap();
    assert_eq!(token.expose(), "sixteen-characters-and-more");
    let config =
        parse("[server]\npublic_url = \"https://hooks.example/\\n\"\nlisten = \" [::1]:7 \"");
    let server = config.unwrap().server;
    assert_eq!(
        (server.public_url.as_str(), server.listen.port()),
        ("https://hooks.example", 7)
    );
    // Within a value they are a mistake: a parser of URLs would drop them in silence.
    for text in ["https://hooks.\nexample", "https://hooks.example/a b"] {
        assert_error(with(&[("WEBHOOK_BASE_URL", text)]), &["server.public_url"]);
    }
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let names = environment::PLAIN.map(|(name, _)| name);
    let all: Vec<String> = names
        .iter()
        .flat_map(|n| [(*n).to_owned(), format!("{n}_FILE")])
        .collect();
    for blank in ["", " ", "\n"] {
        let mut variables: Vec<(&str, &str)> = all.iter().map(|n| (n.as_str(), blank)).collect();
        variables.extend([
            ("HOOKHERD__SERVER__LISTEN", blank),
            ("HOOKHERD__SERVER__WORKERS", blank),
            ("HOOKHERD__SERVER__METRICS_PUBLIC", blank),
            ("HOOKHERD__PROVIDERS__GITHUB__API_URL", blank),
            ("HOOKHERD__INCIDENTS__BRANCHES", blank),
            ("HOOKHERD__AUTH__ADMIN_TOKEN_FILE", blank),
            ("HOOKHERD__NO__SUCH", blank),
            ("HOOKHERD_LOG_LEVEL", blank),
        ]);
        let config = with(&variables).unwrap();
        assert!(config.github[0].oauth.is_none() && config.github[0].app.is_none());
        assert!(config.seal_key.is_none() && config.admin_token.is_none());
        assert_eq!(config.server, parse("").unwrap().server);
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
    // What the file says is not undone by it, either.
    let config = read(
        "[server]\nworkers = 7",
        &[("HOOKHERD__SERVER__WORKERS", "")],
    );
    assert_eq!(config.unwrap().server.workers, 7);
}

#[test]
fn lists_are_trimmed_and_their_empty_items_dropped() {
    let matches = |config: &Config| {
        let failed = |branch| config.rules.verdict(Conclusion::Failure, Some(branch));
        ["main", "release/1", "v2-stable", "topic", ""].map(|branch| failed(branch).is_some())
    };
    for (text, expected) in [
        ("main, release/*", [true, true, false, false, false]),
        (" main ,, release/*,\n", [true, true, false, false, false]),
        (
            "{main,release/*}, v[0-9]*",
            [true, true, true, false, false],
        ),
        ("[\"main\", \"topic\"]", [true, false, false, true, false]),
        ("[mt]*", [true, false, false, true, false]),
    ] {
        let config = with(&[("HOOKHERD__INCIDENTS__BRANCHES", text)]).unwrap();
        assert_eq!(matches(&config), expected, "{text}");
        let config = parse(&format!("[incidents]\nbranches = {text:?}")).unwrap();
        assert_eq!(matches(&config), expected, "{text} in the file");
    }
    let config = parse("[incidents]\nbranches = [\" main\\n\", \"\"]").unwrap();
    assert_eq!(matches(&config), [true, false, false, false, false]);
    assert_error(parse("[incidents]\nbranches = [1]"), &["a list of strings"]);
}

#[test]
fn secrets_are_text_however_they_look() {
    let digits = "000000000000000000000000000000000012";
    for text in [
        digits,
        "1234567890123456",
        "1e99999999999999",
        "0x10000000000000",
        "truetruetruetrue",
    ] {
        for name in ["HOOKHERD__AUTH__ADMIN_TOKEN", "HOOKHERD_ADMIN_TOKEN"] {
            let config = with(&[(name, text)]).unwrap();
            assert_eq!(config.admin_token.unwrap().expose(), text, "{name}");
        }
    }
    let config = with(&[
        ("HOOKHERD__PROVIDERS__GITHUB__OAUTH__CLIENT_ID", "0012"),
        ("GITHUB_OAUTH_CLIENT_SECRET", "000123"),
        ("GITHUB_APP_ID", "0007"),
        (
            "HOOKHERD__PROVIDERS__GITHUB__APP__PRIVATE_KEY",
            "-----BEGIN-----\\nkey\\n",
        ),
    ]);
    let github = config.unwrap().github.remove(0);
    let (oauth, app) = (github.oauth.unwrap(), github.app.unwrap());
    assert_eq!(oauth.client_id, "0012");
    assert_eq!(oauth.client_secret.unwrap().expose(), "000123");
    assert_eq!(
        (app.id.as_str(), app.private_key.0.as_str()),
        ("0007", "-----BEGIN-----\nkey\n")
    );
    let config = parse("[auth]\nadmin_token = 1234567890123456").unwrap();
    assert_eq!(config.admin_token.unwrap().expose(), "1234567890123456");
    // A number with a point does not come back as it was written.
    let error = error_of(parse("[auth]\nadmin_token = 1234567890123456.50"));
    assert!(
        error.contains("in quotes") && !error.contains("12345"),
        "{error}"
    );
}

#[test]
fn switches_and_numbers_are_read_as_people_write_them() {
    for (text, expected) in [
        ("yes", true),
        ("On", true),
        ("1", true),
        ("TRUE", true),
        ("no", false),
    ] {
        let config = with(&[("HOOKHERD__SERVER__METRICS_PUBLIC", text)]).unwrap();
        assert_eq!(config.server.metrics_public, expected, "{text}");
    }
    let config = read(
        "[server]\nworkers = \"8\"",
        &[("HOOKHERD__RETENTION__FLOOR_PER_CONNECTION", "1_000")],
    );
    let config = config.unwrap();
    assert_eq!(
        (config.server.workers, config.retention.floor_per_connection),
        (8, 1000)
    );
    let config = with(&[("HOOKHERD__SERVER__LISTEN", "localhost:81")]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:81");
    for (name, text, says) in [
        ("HOOKHERD__SERVER__METRICS_PUBLIC", "maybe", "true or false"),
        ("HOOKHERD__SERVER__WORKERS", "many", "a whole number"),
        ("HOOKHERD__SERVER__WORKERS", "0", "from 1 to 64"),
        (
            "HOOKHERD__PROVIDERS__GITLAB__CONCURRENCY",
            "1000",
            "from 1 to 100",
        ),
    ] {
        let place = format!("{text:?} (from the variable {name})");
        assert_error(with(&[(name, text)]), &[says, &place]);
    }
}

#[test]
fn a_level_that_is_none_is_refused_with_those_there_are() {
    for (text, filter) in [
        ("INFO", "info"),
        ("warning", "warn"),
        ("hookherd=debug, info", "hookherd=debug,info"),
        ("hookherd::store=Trace", "hookherd::store=trace"),
        ("off", "off"),
    ] {
        let config = with(&[("HOOKHERD__LOG__LEVEL", text)]).unwrap();
        assert_eq!(config.log.level, filter);
    }
    for text in [
        "inf",
        "verbose",
        "hookherd",
        "hookherd=loud",
        "=info",
        "3",
        "info debug",
        ",",
    ] {
        assert_error(
            with(&[("HOOKHERD__LOG__LEVEL", text)]),
            &["log.level", "warn, info, debug"],
        );
    }
}

#[test]
fn what_is_no_setting_is_told_with_the_nearest_that_is_one() {
    for (name, says) in [
        (
            "HOOKHERD__SERVER__LISSTEN",
            "did you mean HOOKHERD__SERVER__LISTEN?",
        ),
        ("HOOKHERD__LISTEN", "did you mean HOOKHERD__SERVER__LISTEN?"),
        ("HOOKHERD__LOG_LEVEL", "did you mean HOOKHERD__LOG__LEVEL?"),
        ("HOOKHERD__SOMETHING__ELSE", "see config/hookherd.toml"),
        ("HOOKHERD_LOG_LEVEL", "did you mean HOOKHERD__LOG__LEVEL?"),
        (
            "HOOKHERD_SERVER__DATA_DIR",
            "did you mean HOOKHERD__SERVER__DATA_DIR?",
        ),
        (
            "HOOKHERD_SEAL_KEY_FILE",
            "did you mean HOOKHERD__SEAL__KEY?",
        ),
        (
            "hookherd_server_listen",
            "did you mean HOOKHERD__SERVER__LISTEN?",
        ),
    ] {
        assert_error(
            with(&[(name, "info")]),
            &[&format!("unknown setting {name};"), says],
        );
    }
    for (text, says) in [
        (
            "[server]\nlissten = 1",
            "server.lissten (in hookherd.toml); did you mean server.listen?",
        ),
        ("[ingres]\nmax_body = 1", "did you mean ingress?"),
        (
            "[server]\nmax_body = \"1MiB\"",
            "did you mean ingress.max_body?",
        ),
        ("level = \"info\"", "did you mean log.level?"),
        ("server = 5", "expected a section, [server]"),
        ("[log.level]\nall = 1", "log.level"),
    ] {
        assert_error(parse(text), &[says]);
    }
}

#[test]
fn variables_that_may_be_somebody_elses_are_warned_of() {
    let config = with(&[
        ("HOOKHERD_ADMIN_TOKN", "x"),
        ("HOOKHERD_HOME", "/srv"),
        ("HOOKHERD_URL", "https://hooks.example"),
        ("HOOKHERD_TOKEN_FILE", "token"),
        ("HOOKHERD_CONFIG", "file"),
        ("HOOKHERD_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("HOOKHERD_SERVICE_HOST", "10.0.0.1"),
    ]);
    let warnings = config.unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("did you mean HOOKHERD_ADMIN_TOKEN?"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains("HOOKHERD_HOME"), "{warnings:?}");
}

#[test]
fn a_plain_name_that_is_spelt_wrong_is_warned_of() {
    for (name, meant) in [
        ("WEBHOOK_BASEURL", "WEBHOOK_BASE_URL"),
        ("WEBHOOK_BASE_URI", "WEBHOOK_BASE_URL"),
        ("OAUTH_TOKEN_ENCRYPTION_KEYS", "OAUTH_TOKEN_ENCRYPTION_KEY"),
        ("GITHUB_APP_PRIVATEKEY_FILE", "GITHUB_APP_PRIVATE_KEY"),
        ("GITLAB_OAUTH_CLIENTID", "GITLAB_OAUTH_CLIENT_ID"),
    ] {
        let warnings = with(&[(name, "x")]).unwrap().warnings;
        let says = format!("unknown variable {name}; did you mean {meant}?");
        assert_eq!(warnings, [says]);
    }
    // What others set, and what is as good as unset.
    let others = [
        ("GITHUB_TOKEN", "x"),
        ("GITHUB_RUN_ID", "x"),
        ("GITLAB_CI", "x"),
        ("BASE_URL", "x"),
        ("WEBHOOK_URL", "x"),
        ("WEBHOOK_BASEURL", " "),
    ];
    let warnings = with(&others).unwrap().warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_mistake_is_told_with_the_place_where_it_was_written() {
    let listen = "HOOKHERD__SERVER__LISTEN";
    let error = error_of(with(&[(listen, "everywhere")]));
    assert!(
        error.contains("server.listen = \"everywhere\" (from the variable"),
        "{error}"
    );
    assert_error(
        parse("[server]\nlisten = \"everywhere\""),
        &["(in hookherd.toml): expected an address"],
    );
    assert_error(
        with(&[("WEBHOOK_BASE_URL", "example")]),
        &["(from the variable WEBHOOK_BASE_URL)"],
    );
    let error = error_of(with(&[("HOOKHERD_ADMIN_TOKEN", "canary")]));
    assert!(
        error.contains("HOOKHERD_ADMIN_TOKEN") && !error.contains("canary"),
        "{error}"
    );
    for (text, says) in [
        (
            "[providers.github]\nmore_api_urls = [\"https://ghe.example/api/v3\", \"ftp://x\"]",
            "providers.github.more_api_urls = \"ftp://x\" (in hookherd.toml)",
        ),
        (
            "[network]\nno_proxy = 2026-01-02",
            "network.no_proxy = \"2026-01-02\" (in hookherd.toml): expected a list of strings",
        ),
    ] {
        assert_error(parse(text), &[says]);
    }
    // Who leaves the quotes out is told so; of other mistakes that is not said.
    for (line, is_told) in [
        ("listen = 127.0.0.1:8080", true),
        ("data_dir = /var/lib/hookherd", true),
        ("listen = \"127.0.0.1:8080", false),
        ("listen", false),
    ] {
        let error = error_of(parse(&format!("[server]\n{line}\n")));
        assert_eq!(error.contains("needs quotes"), is_told, "{line}: {error}");
        assert!(error.contains("line 2"), "{line}: {error}");
    }
    // A line with a mistake may hold a secret: its number is told, and not the line.
    let error = error_of(parse("[auth]\nadmin_token = canary"));
    assert!(
        error.contains("hookherd.toml, line 2") && !error.contains("canary"),
        "{error}"
    );
}

#[test]
fn a_proxy_is_used_when_it_is_configured_and_the_usual_ones_when_asked_for() {
    let usual = [
        ("https_proxy", "http://u:canary@usual.example:1"),
        ("no_proxy", "a.example, .b.example"),
    ];
    assert!(with(&usual).unwrap().proxy.is_none());
    let asked = [
        usual[0],
        usual[1],
        ("HOOKHERD__NETWORK__PROXY_FROM_ENVIRONMENT", "yes"),
    ];
    let config = with(&asked).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    let proxy = config.proxy.unwrap();
    assert_eq!(proxy.url.host_str(), Some("usual.example"));
    assert_eq!(proxy.no_proxy, ["a.example", ".b.example"]);
    let text = "[network]\nproxy = \"proxy.example:3128\"\nno_proxy = [\"ghe.example\"]";
    let proxy = read(text, &asked).unwrap().proxy.unwrap();
    assert_eq!(proxy.url.as_str(), "http://proxy.example:3128/");
    assert_eq!(proxy.no_proxy, ["ghe.example"]);
    for text in [
        "socks5://proxy.example:1",
        "http://u:canary@proxy.example/path",
        "http://",
        "a b",
    ] {
        let error = error_of(with(&[("HOOKHERD__NETWORK__PROXY", text)]));
        assert!(
            error.contains("network.proxy") && !error.contains("canary"),
            "{error}"
        );
    }
}

#[test]
fn a_value_comes_from_the_first_place_that_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, mode: u32, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let token = |variables: &[(&str, &str)]| {
        let variables = variables.iter();
        let environment = Environment {
            variables: variables
                .map(|(n, v)| ((*n).to_owned(), (*v).into()))
                .collect(),
            credentials: Some(dir.path().to_owned()),
        };
        let text = "[auth]\nadmin_token = \"in-the-file-0123456\"";
        Config::read(Some((Path::new("f"), text)), &environment)
    };
    let shown = |config: Result<Config, ConfigError>| {
        config.unwrap().admin_token.unwrap().expose().to_owned()
    };
    let path = file("named", 0o600, "from-a-file-0123456\n");
    assert_eq!(shown(token(&[])), "in-the-file-0123456");
    let setting = ("HOOKHERD__AUTH__ADMIN_TOKEN", "setting-0123456789");
    assert_eq!(shown(token(&[setting])), "setting-0123456789");
    let by_file = ("HOOKHERD__AUTH__ADMIN_TOKEN_FILE", path.as_str());
    assert_eq!(shown(token(&[by_file])), "from-a-file-0123456");
    file("hookherd_admin_token", 0o644, "credential-0123456\n");
    assert_eq!(shown(token(&[setting])), "credential-0123456");
    let named = ("HOOKHERD_ADMIN_TOKEN_FILE", path.as_str());
    assert_eq!(shown(token(&[setting, named])), "from-a-file-0123456");
    let direct = ("HOOKHERD_ADMIN_TOKEN", "directly-0123456789");
    assert_eq!(
        shown(token(&[setting, named, direct])),
        "directly-0123456789"
    );

    let open = file("open", 0o644, "from-a-file-0123456");
    let empty = file("empty", 0o600, " \n");
    for (path, says) in [
        (open, "chmod 600"),
        (empty, "is empty"),
        ("/none".into(), "cannot read"),
    ] {
        assert_error(
            token(&[("HOOKHERD_ADMIN_TOKEN_FILE", &path)]),
            &[says, "HOOKHERD_ADMIN_TOKEN_FILE"],
        );
    }
}

#[test]
fn an_installation_can_be_switched_off_by_a_variable() {
    for text in ["none", "off", "None"] {
        let config = with(&[("HOOKHERD__PROVIDERS__GITLAB__API_URL", text)]).unwrap();
        assert!(config.gitlab.is_empty(), "{text}");
    }
    assert_eq!(
        BTreeMap::from(environment::PLAIN).len(),
        environment::PLAIN.len()
    );
}
