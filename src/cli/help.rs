//! What `--help` says at its end: examples, and the variables that a command reads.

use clap::{Arg, Command};

/// What a command needs beside its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Nothing.
    Nothing,
    /// A daemon and a token for it.
    Daemon,
    /// The daemon's configuration.
    Configuration,
    /// Either or both.
    Both,
}

/// Variables that say where the daemon is and who asks.
const DAEMON: &str = "Variables that say which daemon is asked, and how:
  HOOKHERD_URL         The daemon's address
  HOOKHERD_TOKEN       An API token
  HOOKHERD_TOKEN_FILE  A file that holds it
  SSL_CERT_FILE        Certificate authorities to trust, PEM
  HTTPS_PROXY          A proxy on the way to the daemon; NO_PROXY for none
  NO_COLOR             No colours on a terminal
An option counts before a variable, and a variable before the login that
`hookherd auth login` saved below XDG_CONFIG_HOME or ~/.config.";
/// Variables of the daemon's configuration.
const CONFIGURATION: &str = "Variables of the daemon's configuration:
  HOOKHERD_CONFIG             The configuration file
  WEBHOOK_BASE_URL            Where providers reach the daemon
  OAUTH_TOKEN_ENCRYPTION_KEY  The master key, as `hookherd keygen` prints it
  HOOKHERD_ADMIN_TOKEN        API token of the built-in user admin
  GITHUB_OAUTH_CLIENT_ID      For signing in with GitHub, with
                              GITHUB_OAUTH_CLIENT_SECRET
  GITHUB_APP_ID               A GitHub App, with GITHUB_APP_PRIVATE_KEY
  GITLAB_OAUTH_CLIENT_ID      For signing in with GitLab, with
                              GITLAB_OAUTH_CLIENT_SECRET
  HOOKHERD__SECTION__KEY      Any key of the file: HOOKHERD__SERVER__LISTEN
Each of them, HOOKHERD_CONFIG aside, may end in _FILE, and then names a file
that holds the value.";

/// How each command is used; a command shows what is used below it, too.
const EXAMPLES: &str = "\
hookherd serve
hookherd serve --config hookherd.toml
hookherd demo
hookherd demo --exit
hookherd simulate --listen 127.0.0.1:8099
hookherd connect github octo/app
hookherd connect github https://github.com/octo/app
hookherd connect github octo/app --event workflow_run --event push
hookherd connect gitlab group/subgroup/project
hookherd connect github --org octo --dry-run
hookherd connect github --match 'octo/*-service' --yes
hookherd connect github octo/app --replace-existing
hookherd connect github --org octo --replace-existing='https://old.example/*'
hookherd replace-existing octo/app
hookherd replace-existing octo/app --matching 'https://old.example/hook*'
hookherd disconnect octo/app
hookherd disconnect https://github.com/octo/app --keep-webhook
hookherd pause octo/app
hookherd resume octo/app
hookherd check octo/app
hookherd check octo/app --timeout 2m
hookherd ping octo/app
hookherd recreate octo/app
hookherd rotate-secret octo/app
hookherd history octo/app
hookherd history octo/app --limit 5 --json
hookherd reconcile octo/app
hookherd gaps
hookherd gaps --connection octo/app
hookherd commands list octo/app
hookherd commands list octo/app --limit 5
hookherd commands show cmd_...
hookherd commands show cmd_... --json
hookherd bulk check --all
hookherd bulk pause --owner octo --dry-run
hookherd bulk rotate-secret --match 'octo/*' --provider github
hookherd bulk resume --status suspended --no-wait
hookherd bulk set-events --owner octo --event push --event workflow_run
hookherd bulk disconnect --match 'octo/old-*' --yes
hookherd apply hookherd-repositories.toml --dry-run
hookherd apply hookherd-repositories.toml --prune
hookherd export > hookherd-repositories.toml
hookherd operations list
hookherd operations show opr_...
hookherd operations wait opr_...
hookherd operations cancel opr_...
hookherd connections
hookherd connections octo/app
hookherd connections --status failed --owner octo
hookherd connections --json --limit 1000
hookherd incidents --status open
hookherd incidents --repository 'octo/*' --limit 200
hookherd incidents acknowledge inc_...
hookherd incidents show inc_...
hookherd incidents resolve inc_...
hookherd incidents assign inc_... ann
hookherd incidents unassign inc_...
hookherd incidents mute inc_... --for 4h
hookherd incidents unmute inc_...
hookherd incidents note inc_... Known.
hookherd incidents timeline inc_...
hookherd incidents --flaky --limit 200
hookherd sinks add webhook team-chat < address.txt
hookherd sinks add webhook pager --severity critical --from address.txt
hookherd sinks add slack ci-channel --from address.txt
hookherd sinks add gotify phone --from address.txt --secret-from token.txt
hookherd sinks add pagerduty on-call --from address.txt --secret-from key.txt
hookherd sinks add alertmanager prometheus --from address.txt
hookherd sinks edit team-chat --name chat
hookherd sinks edit team-chat --title-template '{{repository}}:{{title}}'
hookherd sinks edit team-chat --text-template '{{commit}}'
hookherd sinks edit team-chat --digest daily --digest-zone Europe/Berlin
hookherd sinks edit team-chat --digest weekly --digest-day friday
hookherd sinks edit team-chat --digest never
hookherd sinks edit team-chat --address < address.txt
hookherd sinks list
hookherd sinks show team-chat
hookherd sinks test team-chat
hookherd sinks pause team-chat
hookherd sinks resume team-chat
hookherd sinks remove team-chat
hookherd rules show
hookherd rules set rules.toml
hookherd rules test inc_...
hookherd rules test run_... --file rules.toml
hookherd notifications --state failed
hookherd notifications --sink team-chat --limit 5
hookherd notifications show ntf_...
hookherd notifications retry ntf_...
hookherd deliveries --connection octo/app
hookherd deliveries --outcome dead_letter
hookherd deliveries show dlv_... --json
hookherd deliveries --since 2h --event workflow_run
hookherd deliveries --follow --repository 'octo/*'
hookherd deliveries replay dlv_...
hookherd deliveries replay --outcome paused --since 1d --dry-run
hookherd forward octo/app http://localhost:3000/hook
hookherd forward octo/app http://localhost:3000/hook --since 2h --no-follow
hookherd runs --repository octo/app --branch main
hookherd runs --conclusion failure
hookherd runs show run_...
hookherd report
hookherd report --since 30d --markdown
hookherd stats
hookherd stats --json
hookherd repositories github
hookherd repositories gitlab --host git.example.org
hookherd auth login --url https://hooks.example.org
hookherd auth status
hookherd auth login
hookherd auth login --url https://hooks.example.org < token.txt
hookherd auth login --url https://hooks.example.org --token-file token.txt
hookherd auth logout
hookherd whoami
hookherd login github
hookherd login gitlab --host git.example.org
hookherd credential add github < token.txt
hookherd credential list
hookherd credential add gitlab --host git.example.org --from token.txt
hookherd credential app github --installation 123456
hookherd credential share crd_...
hookherd credential share crd_... --off
hookherd credential remove crd_...
hookherd credential remove crd_... --force
hookherd user add ann
hookherd user add root --admin
hookherd user list
hookherd user list --json
hookherd user remove ann
hookherd user remove ann --disconnect
hookherd user remove ann --disconnect --keep-webhooks
hookherd token create
hookherd token list
hookherd token create --name ci --expires 30d
hookherd token create --user ann
hookherd token list --all
hookherd token revoke laptop
hookherd token revoke tok_...
hookherd doctor
hookherd doctor --config hookherd.toml --json
hookherd doctor --orphans
hookherd doctor --orphans --remove 123,456
hookherd doctor --orphans --adopt 789
hookherd store verify
hookherd store export backup.bin
hookherd store --data-dir data verify
hookherd store --data-dir new-data import backup.bin
hookherd keygen > master.key
hookherd openapi > openapi.json
hookherd completions bash > hookherd.bash
hookherd man > hookherd.1
hookherd man --dir /usr/local/share/man/man1";
/// What the whole shows of them.
const FIRST: [&str; 3] = [
    "hookherd demo --exit",
    "hookherd auth login",
    "hookherd connect github octo/app",
];

/// What the command with this path needs: its first word decides.
fn needs(path: &str) -> Needs {
    match path.split(' ').next().unwrap_or_default() {
        "" | "demo" | "simulate" | "keygen" | "openapi" | "completions" | "man" => Needs::Nothing,
        "serve" | "store" => Needs::Configuration,
        "doctor" => Needs::Both,
        _ => Needs::Daemon,
    }
}

/// The examples of the command with this path: its words are in them, in this order.
fn examples(path: &str) -> Vec<&'static str> {
    if path.is_empty() {
        return FIRST.to_vec();
    }
    let is_of = |example: &&str| {
        let mut words = example.split(' ').skip(1).peekable();
        let is_first = words.peek() == path.split(' ').next().as_ref();
        is_first && path.split(' ').all(|part| words.any(|word| word == part))
    };
    EXAMPLES.lines().filter(is_of).collect()
}

/// What stands at the end of a command's help.
fn end(path: &str) -> String {
    let mut text = format!("Examples:\n  {}", examples(path).join("\n  "));
    let variables: &[&str] = match needs(path) {
        Needs::Nothing => &[],
        Needs::Daemon => &[DAEMON],
        Needs::Configuration => &[CONFIGURATION],
        Needs::Both => &[CONFIGURATION, DAEMON],
    };
    for variables in variables {
        text.push_str("\n\n");
        text.push_str(variables);
    }
    text
}

impl Needs {
    /// Options of every command that mean nothing here, by their names in [`Cli`](super::Cli).
    const fn idle(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &["config", "url", "token_file"],
            Self::Daemon => &["config"],
            Self::Configuration => &["url", "token_file"],
            Self::Both => &[],
        }
    }
}

/// The command and everything below it, with their examples. Of the options that every command
/// takes, each shows those that it looks at.
pub(super) fn with_examples(command: Command) -> Command {
    let options: Vec<Arg> = command.get_arguments().cloned().collect();
    below(command, "", &options)
}

fn below(command: Command, path: &str, options: &[Arg]) -> Command {
    let command = command.after_help(end(path));
    // An option of the whole that a command has already is not handed down to it.
    let idle = needs(path).idle();
    let idle = options.iter().filter(|option| {
        let id = option.get_id().as_str();
        !path.is_empty() && idle.contains(&id)
    });
    let command = command.args(idle.cloned().map(|option| option.hide(true)));
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |sub| below(sub, path.trim_start(), options))
    })
}

#[cfg(test)]
mod tests;
