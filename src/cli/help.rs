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

/// A command, what it needs, and how it is used.
type Entry = (&'static str, Needs, &'static [&'static str]);

/// Every command.
const ENTRIES: &[Entry] = &[
    (
        "",
        Needs::Nothing,
        &[
            "hookherd demo --exit",
            "hookherd auth login",
            "hookherd connect github octo/app",
        ],
    ),
    (
        "serve",
        Needs::Configuration,
        &["hookherd serve", "hookherd serve --config hookherd.toml"],
    ),
    (
        "demo",
        Needs::Nothing,
        &["hookherd demo", "hookherd demo --exit"],
    ),
    (
        "simulate",
        Needs::Nothing,
        &["hookherd simulate --listen 127.0.0.1:8099"],
    ),
    (
        "connect",
        Needs::Daemon,
        &[
            "hookherd connect github octo/app",
            "hookherd connect github https://github.com/octo/app",
            "hookherd connect github octo/app --event workflow_run --event push",
            "hookherd connect gitlab group/subgroup/project",
            "hookherd connect github --org octo --dry-run",
            "hookherd connect github --match 'octo/*-service' --yes",
        ],
    ),
    (
        "disconnect",
        Needs::Daemon,
        &[
            "hookherd disconnect octo/app",
            "hookherd disconnect https://github.com/octo/app --keep-webhook",
        ],
    ),
    ("pause", Needs::Daemon, &["hookherd pause octo/app"]),
    ("resume", Needs::Daemon, &["hookherd resume octo/app"]),
    (
        "check",
        Needs::Daemon,
        &[
            "hookherd check octo/app",
            "hookherd check octo/app --timeout 2m",
        ],
    ),
    ("ping", Needs::Daemon, &["hookherd ping octo/app"]),
    ("recreate", Needs::Daemon, &["hookherd recreate octo/app"]),
    (
        "rotate-secret",
        Needs::Daemon,
        &["hookherd rotate-secret octo/app"],
    ),
    (
        "commands",
        Needs::Daemon,
        &["hookherd commands show cmd_..."],
    ),
    (
        "commands show",
        Needs::Daemon,
        &[
            "hookherd commands show cmd_...",
            "hookherd commands show cmd_... --json",
        ],
    ),
    (
        "connections",
        Needs::Daemon,
        &[
            "hookherd connections",
            "hookherd connections octo/app",
            "hookherd connections --status failed --owner octo",
            "hookherd connections --json --limit 1000",
        ],
    ),
    (
        "incidents",
        Needs::Daemon,
        &[
            "hookherd incidents --status open",
            "hookherd incidents --repository 'octo/*' --limit 200",
            "hookherd incidents acknowledge inc_...",
        ],
    ),
    (
        "incidents show",
        Needs::Daemon,
        &["hookherd incidents show inc_..."],
    ),
    (
        "incidents acknowledge",
        Needs::Daemon,
        &["hookherd incidents acknowledge inc_..."],
    ),
    (
        "incidents resolve",
        Needs::Daemon,
        &["hookherd incidents resolve inc_..."],
    ),
    (
        "deliveries",
        Needs::Daemon,
        &[
            "hookherd deliveries --connection octo/app",
            "hookherd deliveries --outcome dead_letter",
            "hookherd deliveries show dlv_... --json",
            "hookherd deliveries replay dlv_...",
        ],
    ),
    (
        "deliveries show",
        Needs::Daemon,
        &["hookherd deliveries show dlv_... --json"],
    ),
    (
        "deliveries replay",
        Needs::Daemon,
        &["hookherd deliveries replay dlv_..."],
    ),
    (
        "runs",
        Needs::Daemon,
        &[
            "hookherd runs --repository octo/app --branch main",
            "hookherd runs --conclusion failure",
        ],
    ),
    ("runs show", Needs::Daemon, &["hookherd runs show run_..."]),
    (
        "stats",
        Needs::Daemon,
        &["hookherd stats", "hookherd stats --json"],
    ),
    (
        "repositories",
        Needs::Daemon,
        &[
            "hookherd repositories github",
            "hookherd repositories gitlab --host git.example.org",
        ],
    ),
    (
        "auth",
        Needs::Daemon,
        &[
            "hookherd auth login --url https://hooks.example.org",
            "hookherd auth status",
        ],
    ),
    (
        "auth login",
        Needs::Daemon,
        &[
            "hookherd auth login",
            "hookherd auth login --url https://hooks.example.org < token.txt",
            "hookherd auth login --url https://hooks.example.org --token-file token.txt",
        ],
    ),
    ("auth status", Needs::Daemon, &["hookherd auth status"]),
    ("auth logout", Needs::Daemon, &["hookherd auth logout"]),
    ("whoami", Needs::Daemon, &["hookherd whoami"]),
    (
        "login",
        Needs::Daemon,
        &[
            "hookherd login github",
            "hookherd login gitlab --host git.example.org",
        ],
    ),
    (
        "credential",
        Needs::Daemon,
        &[
            "hookherd credential add github < token.txt",
            "hookherd credential list",
        ],
    ),
    (
        "credential add",
        Needs::Daemon,
        &[
            "hookherd credential add github < token.txt",
            "hookherd credential add gitlab --host git.example.org --from token.txt",
        ],
    ),
    (
        "credential app",
        Needs::Daemon,
        &["hookherd credential app github --installation 123456"],
    ),
    (
        "credential share",
        Needs::Daemon,
        &[
            "hookherd credential share crd_...",
            "hookherd credential share crd_... --off",
        ],
    ),
    (
        "credential list",
        Needs::Daemon,
        &["hookherd credential list"],
    ),
    (
        "credential remove",
        Needs::Daemon,
        &[
            "hookherd credential remove crd_...",
            "hookherd credential remove crd_... --force",
        ],
    ),
    ("user", Needs::Daemon, &["hookherd user add ann"]),
    (
        "user add",
        Needs::Daemon,
        &["hookherd user add ann", "hookherd user add root --admin"],
    ),
    (
        "user list",
        Needs::Daemon,
        &["hookherd user list", "hookherd user list --json"],
    ),
    (
        "user remove",
        Needs::Daemon,
        &[
            "hookherd user remove ann",
            "hookherd user remove ann --disconnect",
            "hookherd user remove ann --disconnect --keep-webhooks",
        ],
    ),
    (
        "token",
        Needs::Daemon,
        &["hookherd token create", "hookherd token list"],
    ),
    (
        "token create",
        Needs::Daemon,
        &[
            "hookherd token create --name ci --expires 30d",
            "hookherd token create --user ann",
        ],
    ),
    (
        "token list",
        Needs::Daemon,
        &["hookherd token list", "hookherd token list --all"],
    ),
    (
        "token revoke",
        Needs::Daemon,
        &[
            "hookherd token revoke laptop",
            "hookherd token revoke tok_...",
        ],
    ),
    (
        "doctor",
        Needs::Both,
        &[
            "hookherd doctor",
            "hookherd doctor --config hookherd.toml --json",
        ],
    ),
    (
        "store",
        Needs::Configuration,
        &["hookherd store verify", "hookherd store export backup.bin"],
    ),
    (
        "store verify",
        Needs::Configuration,
        &["hookherd store --data-dir data verify"],
    ),
    (
        "store export",
        Needs::Configuration,
        &["hookherd store export backup.bin"],
    ),
    (
        "store import",
        Needs::Configuration,
        &["hookherd store --data-dir new-data import backup.bin"],
    ),
    ("keygen", Needs::Nothing, &["hookherd keygen > master.key"]),
    (
        "openapi",
        Needs::Nothing,
        &["hookherd openapi > openapi.json"],
    ),
    (
        "completions",
        Needs::Nothing,
        &["hookherd completions bash > hookherd.bash"],
    ),
    (
        "man",
        Needs::Nothing,
        &[
            "hookherd man > hookherd.1",
            "hookherd man --dir /usr/local/share/man/man1",
        ],
    ),
];

fn entry(path: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|(name, _, _)| *name == path)
}

/// What stands at the end of a command's help.
fn end((_, needs, examples): &Entry) -> String {
    let mut text = format!("Examples:\n  {}", examples.join("\n  "));
    let variables: &[&str] = match needs {
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
    let command = match entry(path) {
        Some(entry) => command.after_help(end(entry)),
        None => command,
    };
    // An option of the whole that a command has already is not handed down to it.
    let idle = entry(path).map_or(&[][..], |(_, needs, _)| needs.idle());
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
