//! What the daemon and its tools refuse: in one line, and without writing anything. Their status is
//! 1, but 78 when the daemon refuses what only a person can correct.

use super::stage::{ADMIN, REPOSITORY, Stage, files, master_key};
use std::path::PathBuf;
use std::process::Output;

/// A store with a connection and some deliveries, ended orderly.
fn filled() -> Stage {
    let mut stage = Stage::new();
    stage.set("HOOKHERD__LOG__LEVEL", "error");
    let github = stage.simulator.github();
    let daemon = stage.start();
    let (ann, token) = stage.ann_and_octo();
    stage.connect(&ann, &token, REPOSITORY);
    for _ in 0..5 {
        github.push(REPOSITORY);
    }
    stage.wait_until("the deliveries", || {
        let all = stage.list(&ann, "deliveries");
        all.len() > 5 && all.iter().all(|d| d["state"] == "processed")
    });
    assert!(daemon.terminate().success());
    stage
}

/// One line, and what it must say, with status 1.
#[track_caller]
fn assert_refused(output: &Output, says: &str) {
    assert_ended(output, 1, says);
}

/// The same of the daemon, which must not be started again until a person has corrected it.
#[track_caller]
fn assert_for_a_person(output: &Output, says: &str) {
    assert_ended(output, 78, says);
}

#[track_caller]
fn assert_ended(output: &Output, status: i32, says: &str) {
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(
        line.starts_with("hookherd: ") && line.contains(says),
        "{line}"
    );
}

/// Runs these commands; each is refused so, and nothing in the data directory changes.
#[track_caller]
fn refuse(stage: &Stage, commands: &[&[&str]], says: &str) {
    let before = files(&stage.data_dir());
    for words in commands {
        let output = stage.run(words);
        match words {
            ["serve"] => assert_for_a_person(&output, says),
            _ => assert_refused(&output, says),
        }
        assert!(
            files(&stage.data_dir()) == before,
            "{words:?} changed something"
        );
    }
}

const SERVE: &[&str] = &["serve"];
const VERIFY: &[&str] = &["store", "verify"];
const EXPORT: &[&str] = &["store", "export", "export"];

#[test]
fn a_missing_malformed_or_wrong_master_key_is_told_before_anything_is_written() {
    let mut empty = Stage::new();
    empty.set("HOOKHERD__LOG__LEVEL", "error");
    empty.unset("OAUTH_TOKEN_ENCRYPTION_KEY");
    refuse(&empty, &[SERVE], "hookherd keygen");
    assert!(!empty.data_dir().exists());

    let mut stage = filled();
    for crashed in [false, true] {
        if crashed {
            stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &master_key(1));
            // Dropped, it is killed: the view that it leaves is not to be trusted.
            drop(stage.start());
        }
        stage.unset("OAUTH_TOKEN_ENCRYPTION_KEY");
        refuse(&stage, &[SERVE], "no master key");
        stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", "not-a-key");
        refuse(&stage, &[SERVE], "master key 1 is not 32 bytes in base64");
        stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &master_key(2));
        refuse(
            &stage,
            &[SERVE],
            "the master key does not match this data directory",
        );
    }
    stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &master_key(1));
    assert!(
        stage.start().terminate().success(),
        "it is as good as before"
    );
}

#[test]
fn a_directory_in_use_is_told_at_once_and_its_user_does_not_notice() {
    let mut stage = filled();
    let daemon = stage.start();
    let url = stage.url("/readyz");
    stage.set("HOOKHERD__SERVER__LISTEN", "127.0.0.1:0");
    for words in [SERVE, VERIFY] {
        let begun = std::time::Instant::now();
        assert_refused(&stage.run(words), "is in use by another hookherd process");
        assert!(begun.elapsed().as_secs() < 5);
    }
    assert!(
        stage.run(EXPORT).status.success(),
        "an export takes nothing away"
    );
    let ready = stage.ask("", "GET /readyz", None);
    assert_eq!(ready.status, 200, "{url}");
    assert!(daemon.terminate().success());
    assert!(stage.run(VERIFY).status.success());
}

fn segments(stage: &Stage) -> Vec<PathBuf> {
    let all = files(&stage.data_dir().join("journal"));
    all.into_keys()
        .filter(|path| path.extension().is_some_and(|e| e == "segment"))
        .collect()
}

#[test]
fn a_newer_store_is_refused_untouched() {
    let stage = filled();
    let path = segments(&stage).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    // The version stands behind the magic, the checksum of the header behind its 28 bytes.
    bytes[8] = 99;
    let checksum = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    refuse(
        &stage,
        &[SERVE, VERIFY, EXPORT],
        "newer version of Hookherd",
    );
}

#[test]
fn a_damaged_store_is_told_by_the_tools_and_served_all_the_same() {
    let stage = filled();
    let path = segments(&stage).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let before = files(&stage.data_dir());
    let verified = stage.run(VERIFY);
    assert_refused(&verified, "the store is damaged");
    let told = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(
        told.contains("Sound: false") && told.contains("Segment"),
        "{told}"
    );
    assert_refused(&stage.run(EXPORT), "the export lacks what is lost");
    assert!(
        files(&stage.data_dir()) == before,
        "looking changes nothing"
    );
    let daemon = stage.start();
    let metrics = stage.ask(ADMIN, "GET /metrics", None).text;
    assert!(metrics.contains("hookherd_store_damaged 1"), "{metrics}");
    assert!(daemon.terminate().success());
}

#[test]
fn what_is_no_store_or_no_place_for_one_is_told() {
    let mut stage = filled();
    let taken = stage.path("taken");
    std::fs::write(&taken, "mine").unwrap();
    refuse(&stage, &[&["store", "export", "taken"]], "already exists");
    refuse(&stage, &[&["store", "import", "taken"]], "is not empty");
    assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
    stage.set("HOOKHERD__SERVER__DATA_DIR", "elsewhere");
    for words in [VERIFY, EXPORT] {
        assert_refused(&stage.run(words), "contains no Hookherd store");
    }
    assert!(!stage.path("elsewhere").exists() && !stage.path("export").exists());
    assert_refused(&stage.run(&["store", "import", "taken"]), "export");
    assert!(!stage.path("elsewhere").exists());
    // A file where the directory should be.
    stage.set("HOOKHERD__SERVER__DATA_DIR", "taken");
    assert_for_a_person(&stage.run(SERVE), "the data directory");
    stage.set("HOOKHERD__SERVER__LISTEN", "everywhere");
    assert_for_a_person(&stage.run(SERVE), "server.listen");
}

#[test]
fn a_backup_comes_back_with_all_that_was_in_it() {
    let mut stage = filled();
    assert!(stage.run(EXPORT).status.success());
    stage.set("HOOKHERD__SERVER__DATA_DIR", "restored");
    assert!(stage.run(&["store", "import", "export"]).status.success());
    assert!(stage.run(VERIFY).status.success());
    let github = stage.simulator.github();
    let hook = github.hooks(REPOSITORY)[0].id;
    let daemon = stage.start();
    let ann = super::stage::ADMIN;
    assert_eq!(
        stage
            .call(ann, "GET /api/v2/users", &serde_json::Value::Null)
            .status,
        200
    );
    github.push(REPOSITORY);
    stage.wait_until("a delivery to the restored daemon", || {
        // A ping may follow it; and what was read in the log before it came is there already.
        let sent = github.deliveries(REPOSITORY);
        let push = sent.iter().rfind(|it| it.event == "push");
        push.is_some_and(|it| matches!(it.status, Some(200 | 202)))
    });
    assert_eq!(
        github.hooks(REPOSITORY)[0].id,
        hook,
        "its hook is the one it had"
    );
    assert!(daemon.terminate().success());
}

/// What a store lost is reported in words, and nothing begins in its place; with the override it
/// continues, once for all.
#[test]
fn a_store_that_lost_its_journal_does_not_begin_anew_in_silence() {
    let stage = filled();
    let journal = stage.data_dir().join("journal");
    let aside = stage.path("aside");
    std::fs::rename(&journal, &aside).unwrap();
    let told = stage.run(SERVE);
    assert_for_a_person(&told, "there is no journal");
    assert_for_a_person(&told, "--accept-data-loss");
    let doctor = stage.run(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("a part is missing"), "{said}");
    assert!(!journal.exists(), "nothing was begun");
    // It was not mounted, perhaps: with it all is there again.
    std::fs::rename(&aside, &journal).unwrap();
    assert!(stage.start().terminate().success());
    std::fs::remove_dir_all(&journal).unwrap();
    let daemon = stage.start_with(&[], &["--accept-data-loss"]);
    let metrics = stage.ask(ADMIN, "GET /metrics", None).text;
    assert!(
        metrics.contains("hookherd_store_info{id=\"sto_"),
        "{metrics}"
    );
    assert!(daemon.terminate().success());
    let daemon = stage.start();
    assert!(
        daemon.terminate().success(),
        "the loss was accepted for good"
    );
}

#[test]
fn a_new_directory_is_told_and_refused_where_a_store_must_be() {
    let mut stage = Stage::new();
    stage.set("HOOKHERD__LOG__LEVEL", "error");
    stage.set("HOOKHERD__SERVER__REQUIRE_EXISTING_STORE", "true");
    assert_for_a_person(&stage.run(SERVE), "Check that its disk is mounted");
    assert!(!stage.data_dir().exists());
    stage.set("HOOKHERD__LOG__LEVEL", "warn");
    stage.unset("HOOKHERD__SERVER__REQUIRE_EXISTING_STORE");
    let daemon = stage.start();
    let log = std::fs::read_to_string(stage.log()).unwrap();
    assert!(log.contains("had no store: created a new one"), "{log}");
    let metrics = stage.ask(ADMIN, "GET /metrics", None).text;
    assert!(metrics.contains("hookherd_store_born_timestamp_seconds 1"));
    assert!(daemon.terminate().success());
    stage.set("HOOKHERD__SERVER__REQUIRE_EXISTING_STORE", "true");
    assert!(stage.start().terminate().success());
}

/// A second user `admin` was made when the first could not be found.
#[test]
fn nobody_is_made_anew_in_a_store_that_is_damaged() {
    let mut stage = filled();
    stage.set("HOOKHERD__LOG__LEVEL", "off");
    let path = segments(&stage).remove(0);
    let good = std::fs::read(&path).unwrap();
    // The first frames hold the proof of the master key, then the user `admin`: behind a header of
    // 32 bytes, each a head of twelve that begins with its length.
    let length = u32::from_le_bytes(good[32..36].try_into().unwrap());
    let second = 32 + 12 + usize::try_from(length).unwrap();
    let harms = [
        (32, "the proof that the master key"),
        (second, "the user admin"),
    ];
    for (at, what) in harms {
        let mut bytes = good.clone();
        bytes[at + 12 + 5] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        // Without an orderly end there is nothing but the journal.
        drop(std::fs::remove_dir_all(stage.data_dir().join("view")));
        assert_for_a_person(&stage.run(SERVE), what);
        std::fs::write(&path, &good).unwrap();
    }
    assert!(stage.start().terminate().success());
}

/// Everything in the data directory is for its owner alone, whatever the umask is.
#[test]
fn the_data_directory_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let stage = filled();
    let loose = |dir: &std::path::Path| {
        let all = files(dir).into_keys().chain([dir.to_owned()]);
        let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode();
        all.filter(|path| mode(path) & 0o077 != 0)
            .collect::<Vec<_>>()
    };
    assert_eq!(loose(&stage.data_dir()), Vec::<PathBuf>::new());
    for path in [stage.data_dir(), segments(&stage).remove(0)] {
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(path, open).unwrap();
    }
    let daemon = stage.start();
    assert_eq!(loose(&stage.data_dir()), Vec::<PathBuf>::new());
    assert!(daemon.terminate().success());
}
