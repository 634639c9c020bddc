//! `hookherd doctor`: what it finds, and that it finds what is wrong. The real binary against a
//! real disk, daemon and provider (or against another server).
//!
//! | finding | ok | warning | FAILED | tests in |
//! | --- | --- | --- | --- | --- |
//! | configuration | understood | a stranger's variable | not understood | machine |
//! | data directory | can be written |  | cannot | machine |
//! | disk | enough | little | none | machine |
//! | master key | can be used, fits |  | none, unusable, another's | machine |
//! | public address | over TLS | this machine only | no answer, another server | machine, daemon |
//! | store | whole, of 0.1, in use | none yet, harmed | part gone, newer, none | store, machine |
//! | clock | agrees | half a minute | far off, behind the store | provider, store |
//! | provider HOST | answers |  | no API, no way, TLS, CA file | provider |
//! | sign-in with KIND | known | devices only | id, secret, pages | provider |
//! | GitHub App at HOST | key fits |  | key, id, right, refused | provider |
//! | daemon | answers |  | wrong token, not there | daemon |
//! | API token | no end, far end | ends soon | not read | daemon |
//! | credentials | (rows follow) | none | not read | daemon |
//! | credential of LOGIN | works, renewed | soon, public, beside | scopes, dead, ended | daemon |
//! | daemon and KIND | answers |  | refused | daemon |
//! | connections | all well, paused | some limp | some do not work, not read | daemon |
//! | connection NAME | (no row) | degraded | failed, suspended | daemon |
//! | more connections | (no row) | | more than 20 rows | daemon |
//! | public address of webhooks | (no row) | to be moved |  | daemon |
//! | missed deliveries | all recovered | some lost |  | daemon |
//! | pending deletions | none | still there | not read | daemon |
//! | deletion for NAME |  | tried again |  | daemon |

mod daemon;
mod machine;
mod provider;
mod store;

use super::stage::Stage;
use serde_json::Value;

/// What `doctor` found.
#[derive(Debug)]
struct Report(Vec<(String, String, String)>);

impl Report {
    /// Runs it. Its status says whether something does not work.
    #[track_caller]
    fn of(stage: &Stage) -> Self {
        Self::read(&stage.run(&["--json", "doctor"]))
    }

    #[track_caller]
    fn read(output: &std::process::Output) -> Self {
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let findings = report["findings"].as_array().unwrap().iter();
        let text = |f: &Value, key: &str| f[key].as_str().unwrap().to_owned();
        let findings: Vec<_> = findings
            .map(|f| (text(f, "what"), text(f, "verdict"), text(f, "words")))
            .collect();
        let is_ok = findings.iter().all(|(_, verdict, _)| verdict != "FAILED");
        assert_eq!(report["ok"], is_ok, "{output:?}");
        assert_eq!(output.status.code(), Some(i32::from(!is_ok)), "{output:?}");
        Self(findings)
    }

    /// Holds that this was found, with these words in it.
    #[track_caller]
    fn has(&self, what: &str, verdict: &str, part: &str) -> &Self {
        let fits = |(thing, found, words): &&(String, String, String)| {
            thing == what && found == verdict && words.contains(part)
        };
        let found = self.0.iter().find(fits);
        assert!(found.is_some(), "{what}: {verdict}: {part}: {:#?}", self.0);
        self
    }

    /// Holds that nothing is said of this.
    #[track_caller]
    fn is_silent_on(&self, what: &str) -> &Self {
        let found = self.0.iter().find(|(thing, _, _)| thing == what);
        assert_eq!(found, None);
        self
    }

    /// What does not work.
    fn failed(&self) -> Vec<&str> {
        let failed = self.0.iter().filter(|(_, verdict, _)| verdict == "FAILED");
        failed.map(|(what, _, _)| what.as_str()).collect()
    }
}
