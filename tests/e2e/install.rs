//! docs/install.md as its reader follows it: what its commands make, and the unit that uses it.

use super::stage::Stage;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const GUIDE: &str = include_str!("../../docs/install.md");
const OPERATIONS: &str = include_str!("../../docs/operations.md");
const UNIT: &str = include_str!("../../systemd/hookherd.service");

/// Runs commands of the guide below this directory instead of `/etc/hookherd`.
fn run(script: &str, etc: &Path) {
    let script = script.replace("/etc/hookherd", etc.to_str().unwrap());
    let binary = Path::new(env!("CARGO_BIN_EXE_hookherd")).parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binary.display());
    let mut bash = Command::new("bash");
    bash.args(["-euc", &format!("umask 022\n{script}")])
        .env_clear()
        .env("PATH", path);
    let output = bash.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The commands of a chapter.
fn commands(chapter: &str) -> String {
    let (_, text) = GUIDE.split_once(chapter).expect("the chapter is there");
    let text = text.split("\n## ").next().unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// What follows these words in the unit, in each line that begins with them.
fn unit(start: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.strip_prefix(start));
    lines.collect()
}

/// Rights of a file or directory.
fn mode(path: &Path) -> u32 {
    let found = std::fs::metadata(path);
    found
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode()
}

/// Does what the guide says about key and settings, below this directory instead of `/etc`.
fn follow(etc: &Path) {
    let script = format!(
        "{}{}",
        commands("## 2. The master key"),
        commands("## 3. The settings")
    );
    run(&script, etc);
}

#[test]
fn the_daemons_user_can_read_the_settings_and_root_alone_the_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("hookherd");
    follow(&etc);
    let here = |path: &str| etc.join(path.strip_prefix("/etc/hookherd/").expect(path));
    assert_eq!(unit("DynamicUser="), ["yes"]);
    let start = unit("ExecStart=")[0];
    let (_, settings) = start
        .split_once("--config ")
        .expect("the unit names the settings");
    // A user without rights goes through the directory and reads the file.
    assert_eq!(mode(&etc) & 0o005, 0o005, "{:o}", mode(&etc));
    assert_eq!(mode(&here(settings)) & 0o004, 0o004);
    let secrets = unit("LoadCredential=");
    assert_eq!(secrets.len(), 2);
    for secret in secrets {
        let (_, path) = secret.split_once(':').unwrap();
        assert_eq!(mode(&here(path)) & 0o777, 0o600, "{path}");
    }
}

#[test]
fn the_proxies_let_every_delivery_through_that_the_daemon_takes() {
    let (_, chapter) = GUIDE.split_once("## 5. The reverse proxy").unwrap();
    let after = |words: &str| {
        let (_, rest) = chapter.split_once(words).expect(words);
        rest.split([';', '\n']).next().unwrap().trim()
    };
    // nginx counts `m` in MiB; Caddy counts `MB` in millions of bytes, of which 26 are too few.
    let nginx = after("client_max_body_size ").strip_suffix('m').unwrap();
    let caddy = after("max_size ").strip_suffix("MiB").unwrap();
    let defaults = std::fs::read_to_string("config/hookherd.toml").unwrap();
    assert!(defaults.contains("\nmax_body = \"25MiB\"\n"));
    for size in [nginx, caddy] {
        assert!(size.parse::<u64>().unwrap() > 25, "{size}");
    }
}

#[test]
fn the_master_key_is_rotated_by_the_commands_of_the_guide() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("hookherd");
    follow(&etc);
    let read = |name: &str| std::fs::read_to_string(etc.join(name)).unwrap();
    let old = read("key").trim().to_owned();
    let (_, chapter) = OPERATIONS.split_once("\n## Keys\n").unwrap();
    let block = chapter.split("```").nth(1).unwrap();
    // Nothing runs under systemd here: its word does nothing.
    let block = format!("systemctl() {{ :; }}\n{block}");
    let (both, then) = block.split_once("# Ten minutes later").unwrap();
    run(both, &etc);
    let (new, second) = read("key").trim().split_once(',').map_or_else(
        || panic!("both keys"),
        |(new, old)| (new.to_owned(), old.to_owned()),
    );
    assert_eq!(second, old);
    assert!(new.len() == 44 && new != old, "{new}");
    let then = format!("cd /etc/hookherd; systemctl() {{ :; }}\n#{then}");
    run(&then, &etc);
    assert_eq!(read("key").trim(), new);
    assert_eq!(read("key.old").trim(), old);
    for name in ["key", "key.old"] {
        assert_eq!(mode(&etc.join(name)) & 0o777, 0o600, "{name}");
    }
}

#[test]
fn the_daemon_starts_with_what_the_guide_made_and_knows_its_admin() {
    let mut stage = Stage::new();
    let (etc, given) = (stage.path("hookherd"), stage.path("credentials"));
    follow(&etc);
    // As systemd does it: each credential under the name that the unit gives it.
    std::fs::create_dir(&given).unwrap();
    for secret in unit("LoadCredential=") {
        let (name, path) = secret.split_once(':').unwrap();
        let path = etc.join(path.rsplit('/').next().unwrap());
        std::fs::copy(path, given.join(name)).unwrap();
    }
    stage.unset("OAUTH_TOKEN_ENCRYPTION_KEY");
    stage.unset("HOOKHERD_ADMIN_TOKEN");
    stage.set("CREDENTIALS_DIRECTORY", given.to_str().unwrap());
    stage.set(
        "HOOKHERD_CONFIG",
        etc.join("hookherd.toml").to_str().unwrap(),
    );
    let daemon = stage.start();
    let token = std::fs::read_to_string(etc.join("admin-token")).unwrap();
    assert_eq!(
        stage.ask(token.trim(), "GET /api/v2/whoami", None).json["name"],
        "admin"
    );
    assert!(daemon.terminate().success());
}
