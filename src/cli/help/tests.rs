//! Every command, its help and its examples.

use super::*;
use crate::cli::Cli;
use clap::CommandFactory;

/// Every command with its path, the one without a name first.
fn all() -> Vec<(String, Command)> {
    fn walk(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
        found.push((path.to_owned(), command.clone()));
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name());
            walk(sub, path.trim_start(), found);
        }
    }
    let mut found = Vec::new();
    walk(&with_examples(Cli::command()), "", &mut found);
    found
}

#[test]
fn every_command_has_examples_and_names_the_variables_it_reads() {
    let all = all();
    assert!(all.len() > 40, "the walk finds the commands");
    for (path, mut command) in all {
        let help = command.render_long_help().to_string();
        let start = format!("Examples:\n  hookherd {}", path.split(' ').next().unwrap());
        assert!(
            help.contains(start.trim_end()),
            "`{path}` needs examples in cli/help.rs"
        );
        let names: &[&str] = match needs(&path) {
            Needs::Nothing => &[],
            Needs::Daemon => &["HOOKHERD_URL", "HOOKHERD_TOKEN", "HOOKHERD_TOKEN_FILE"],
            Needs::Configuration => &["WEBHOOK_BASE_URL", "HOOKHERD_CONFIG"],
            Needs::Both => &["WEBHOOK_BASE_URL", "HOOKHERD_CONFIG", "HOOKHERD_TOKEN"],
        };
        for name in names {
            assert!(help.contains(name), "{path}: {name}");
        }
        let end = end(&path);
        let wide = end.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{path}");
    }
}

#[test]
fn a_command_shows_the_options_that_it_looks_at_behind_its_own() {
    for (path, says, not) in [
        ("serve", &["--config"][..], &["--url", "--token-file"][..]),
        ("store verify", &["--config"], &["--url", "--token-file"]),
        (
            "keygen",
            &["--json"],
            &["--config", "--url", "--token-file"],
        ),
        ("connect", &["--url", "--token-file"], &["--config"]),
        ("user add", &["--url", "--token-file"], &["--config"]),
        ("doctor", &["--config", "--url", "--token-file"], &[]),
    ] {
        let mut words: Vec<&str> = path.split(' ').collect();
        words.insert(0, "hookherd");
        words.push("--help");
        let shown = with_examples(Cli::command()).try_get_matches_from(words);
        let help = shown.unwrap_err().to_string();
        let options = help.split("Examples:").next().unwrap();
        for option in says {
            assert!(options.contains(&format!(" {option}")), "{path}: {help}");
        }
        for option in not {
            assert!(!options.contains(&format!(" {option}")), "{path}: {help}");
        }
    }
    let shown = with_examples(Cli::command());
    let shown = shown.try_get_matches_from(["hookherd", "connect", "--help"]);
    let help = shown.unwrap_err().to_string();
    let at = |option: &str| help.find(&format!("      {option}")).unwrap();
    assert!(at("--no-webhook") < at("--json"), "{help}");
    // What is not shown is taken all the same.
    let words = ["hookherd", "whoami", "--config", "x.toml"];
    assert!(
        with_examples(Cli::command())
            .try_get_matches_from(words)
            .is_ok()
    );
}

#[test]
fn every_example_is_understood_and_is_of_a_command() {
    let shown: Vec<&str> = all().iter().flat_map(|(path, _)| examples(path)).collect();
    for example in EXAMPLES.lines().chain(FIRST) {
        assert!(shown.contains(&example), "{example}");
        let words = example.split(['<', '>']).next().unwrap().replace('\'', "");
        let words = words.split_whitespace();
        let parsed = Cli::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
    }
}
