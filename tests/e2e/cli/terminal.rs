//! What a person at a terminal sees: relative times, colours, tables that fit, questions.

use super::super::stage::{REPOSITORY, Stage};
use super::Connected;
use hookherd::simulator::RunSpec;
use parking_lot::Mutex;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

/// Runs a command on a terminal of so many columns. A question that ends in one of these is
/// answered with the text beside it. Returns what stood on the terminal.
fn on_terminal(
    stage: &Stage,
    columns: u16,
    words: &[&str],
    answers: &[(&str, &str)],
) -> (ExitStatus, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let open = || {
        let mut options = File::options();
        Stdio::from(options.read(true).write(true).open(&name).unwrap())
    };
    let (input, output, error) = (open(), open(), open());
    let mut command = stage.command(words);
    command.stdin(input).stdout(output).stderr(error);
    command.env("TERM", "xterm");
    let mut child = command.spawn().unwrap();
    // The command holds the other end open; ours is closed, so that reading ends with it.
    drop(command);
    let shown = Arc::new(Mutex::new(String::new()));
    let mut reader = File::from(rustix::io::dup(&master).unwrap());
    let heard = Arc::clone(&shown);
    let thread = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
            heard.lock().push_str(&text);
        }
    });
    let mut writer = File::from(master);
    for (question, answer) in answers {
        stage.wait_until(question, || shown.lock().contains(question));
        // A secret is typed in only when nothing shows it any more: before, it would be lost.
        let is_secret = question.to_lowercase().contains("token");
        stage.wait_until("the terminal to hide what is typed", || {
            let modes = tcgetattr(&writer).unwrap().local_modes;
            !is_secret || !modes.contains(LocalModes::ECHO)
        });
        writer.write_all(answer.as_bytes()).unwrap();
    }
    let mut status = None;
    stage.wait_until("the end of the command", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    let status = status.unwrap();
    thread.join().unwrap();
    let shown = shown.lock().clone();
    (status, shown)
}

/// The text without colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        rest = &after[end + 1..];
    }
    plain + rest
}

#[test]
fn tables_fit_the_terminal_with_relative_times_and_colours() {
    let Connected { stage, id, .. } = &mut Connected::new();
    let github = stage.simulator.github();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let count = |stage: &Stage| {
        let output = stage.run(&["incidents", "--json"]);
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        list["items"].as_array().unwrap().len()
    };
    stage.wait_until("the incident", || count(stage) == 1);
    for words in [
        &["connections"][..],
        &["incidents"],
        &["deliveries"],
        &["runs"],
        &["credential", "list"],
        &["repositories", "github"],
    ] {
        let (status, shown) = on_terminal(stage, 80, words, &[]);
        assert!(status.success(), "{words:?}: {shown}");
        let text = plain(&shown);
        for line in text.lines() {
            assert!(line.trim_end().chars().count() <= 80, "{words:?}: {line}");
        }
        assert!(text.contains("octo"), "{words:?}: {text}");
    }
    let (_, shown) = on_terminal(stage, 80, &["runs"], &[]);
    assert!(plain(&shown).contains("run_"), "to be shown by id: {shown}");
    let (_, shown) = on_terminal(stage, 80, &["token", "create"], &[]);
    assert!(
        shown.contains("API token for ann; it is shown only once:"),
        "{shown}"
    );
    let (_, shown) = on_terminal(stage, 80, &["connections"], &[]);
    assert!(
        shown.contains("\u{1b}[") && plain(&shown).contains(" s ago"),
        "{shown:?}"
    );
    assert!(!shown.contains(id.as_str()), "the id gives way: {shown}");
    let (_, wide) = on_terminal(stage, 160, &["connections"], &[]);
    assert!(wide.contains(id.as_str()), "{wide}");
    let (_, shown) = on_terminal(stage, 80, &["incidents"], &[]);
    assert!(plain(&shown).contains("inc_"), "{shown}");
    let (_, never) = on_terminal(stage, 80, &["connections", "--color", "never"], &[]);
    assert!(!never.contains('\u{1b}'), "{never:?}");
    let (_, shown) = on_terminal(stage, 80, &["connections", "octo/app"], &[]);
    assert!(plain(&shown).contains(" s ago)"), "{shown}");
    let (_, none) = on_terminal(stage, 80, &["incidents", "--status", "resolved"], &[]);
    assert!(none.contains("no incidents"), "{none}");
    stage.set("NO_COLOR", "1");
    let (_, quiet) = on_terminal(stage, 80, &["connections"], &[]);
    assert!(
        !quiet.contains('\u{1b}') && quiet.contains(" s ago"),
        "{quiet:?}"
    );
    // Elsewhere there are whole times, and colours only on demand.
    let piped = stage.run(&["connections", "--color", "always"]);
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(
        piped.contains("\u{1b}[") && !piped.contains(" ago"),
        "{piped:?}"
    );
    let piped = String::from_utf8(stage.run(&["connections"]).stdout).unwrap();
    assert!(
        !piped.contains('\u{1b}') && piped.contains(id.as_str()),
        "{piped:?}"
    );
}

#[test]
fn long_work_asks_first_and_shows_what_is_left() {
    let Connected { stage, .. } = &Connected::new();
    let github = stage.simulator.github();
    for name in ["acme/a", "acme/b"] {
        github.add_repository(name, "octo");
    }
    let words = ["connect", "github", "--org", "acme"];
    let question = "Connect 2 repositories? [y/N]";
    let (status, shown) = on_terminal(stage, 100, &words, &[(question, "n\n")]);
    assert_eq!(status.code(), Some(1));
    assert!(shown.contains("nothing connected"), "{shown}");
    let (status, shown) = on_terminal(stage, 100, &words, &[(question, "y\n")]);
    assert!(status.success(), "{shown}");
    let text = plain(&shown);
    assert!(
        text.contains("of 2, ") && text.contains(" left"),
        "a bar: {shown:?}"
    );
    assert!(text.contains("connected acme/b as con_"), "{text}");
    assert!(text.contains("2 connected, 0 failed"), "{text}");
}

#[test]
fn a_login_is_asked_for_and_the_token_is_not_shown() {
    let Connected { stage, .. } = &mut Connected::new();
    let token = stage.add_user("bea");
    let config = stage.path("config").to_str().unwrap().to_owned();
    stage.set("XDG_CONFIG_HOME", &config);
    stage.unset("HOOKHERD_TOKEN");
    let address = stage.url("");
    stage.unset("HOOKHERD_URL");
    let (address, token) = (format!("{address}\n"), format!("{token}\n"));
    let answers = [
        ("Address of the daemon", address.as_str()),
        ("API token", token.as_str()),
    ];
    let (status, shown) = on_terminal(stage, 80, &["auth", "login"], &answers);
    assert!(status.success(), "{shown}");
    assert!(plain(&shown).contains("as bea"), "{shown}");
    assert!(!shown.contains(token.trim()), "{shown}");
    let github = stage.simulator.github();
    let provider_token = format!("{}\n", github.add_user("bea"));
    let answers = [("Token of the provider", provider_token.as_str())];
    let words = ["credential", "add", "github"];
    let (status, shown) = on_terminal(stage, 80, &words, &answers);
    assert!(status.success() && shown.contains("for bea"), "{shown}");
    assert!(!shown.contains(provider_token.trim()), "{shown}");
}
