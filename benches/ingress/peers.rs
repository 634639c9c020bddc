//! Receivers that others wrote, for those that are installed. None of them stores anything.

use crate::daemon::Daemon;
use crate::process::{Cores, Server, free_address};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A receiver of others.
pub struct Peer {
    pub name: &'static str,
    pub server: Server,
}

/// Starts the peers that are there, and says which are not.
pub fn start(cores: &Cores, dir: &Path, daemon: &Daemon) -> io::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let node = node();
    if here.join("node_modules/@octokit/webhooks").is_dir() && is_there(&node, "--version") {
        let mut command = Server::command(cores, &node);
        command.arg(here.join("octokit.mjs"));
        command
            .env("SECRET", daemon.secret.expose())
            .env("WEBHOOK_PATH", &daemon.path);
        let server = Server::start(&mut command)?;
        peers.push(Peer {
            name: "@octokit/webhooks",
            server,
        });
    } else {
        println!("skipped: @octokit/webhooks; `npm ci` in benches/peers installs it");
    }
    if is_there("webhook", "-version") {
        let server = webhook(cores, dir, daemon)?;
        peers.push(Peer {
            name: "webhook, runs `true`",
            server,
        });
    } else {
        println!("skipped: webhook; Debian has it as a package");
    }
    Ok(peers)
}

/// The Node of the interop tests, else the one that is installed.
fn node() -> String {
    let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let brought = tmp.with_file_name("interop").join("node");
    if brought.exists() {
        brought.display().to_string()
    } else {
        "node".to_owned()
    }
}

fn is_there(program: &str, flag: &str) -> bool {
    let mut command = Command::new(program);
    let command = command
        .arg(flag)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn webhook(cores: &Cores, dir: &Path, daemon: &Daemon) -> io::Result<Server> {
    let (prefix, id) = daemon
        .path
        .trim_matches('/')
        .rsplit_once('/')
        .unwrap_or_default();
    let hooks = json!([{
        "id": id, "execute-command": "/bin/true",
        "trigger-rule": { "match": {
            "type": "payload-hmac-sha256", "secret": daemon.secret.expose(),
            "parameter": { "source": "header", "name": "X-Hub-Signature-256" },
        } },
    }]);
    let file = dir.join("hooks.json");
    std::fs::write(&file, hooks.to_string())?;
    let address = free_address()?;
    let mut command = Server::command(cores, "webhook");
    command.args(["-ip", "127.0.0.1", "-port", &address.port().to_string()]);
    command.args(["-urlprefix", prefix, "-hooks"]).arg(file);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Server::start_on(&mut command, address)
}
