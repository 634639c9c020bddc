//! What the stories of one connected repository look at, and what people do at its provider behind
//! the daemon's back.

use crate::network::Request;
use crate::scene::Scene;
use crate::world::nth;
use futures_util::FutureExt;
use hookherd::domain::history::{Entry, EntryKind};
use hookherd::domain::incident::Incident;
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::{PipelineSpec, RunSpec};
use hookherd::store::Read;
use serde_json::Value;
use std::time::Duration;

/// The answer to a delivery that takes longest, and some time for what follows from it.
const ANSWERED: Duration = Duration::from_secs(1);

impl Scene {
    /// A world in which the repository is connected, and nothing is left to be done.
    pub async fn connected(provider: ProviderKind) -> Self {
        let mut scene = Self::set(provider).await;
        drop(scene.connects());
        scene.ends_with_one_hook().await;
        scene
    }

    /// How much time has passed.
    pub fn now(&self) -> Duration {
        self.world.truth.elapsed()
    }

    /// The requests that the provider got since then.
    pub fn requests(&self, since: Duration) -> Vec<Request> {
        let requests = self.world.network.requests.borrow();
        let is_meant = |it: &&Request| {
            let is_gitlab = it.path.starts_with("/api/v4/");
            it.at > since && is_gitlab == (self.provider == ProviderKind::Gitlab)
        };
        requests.iter().filter(is_meant).cloned().collect()
    }

    /// Those of them that should change something.
    pub fn writes(&self, since: Duration) -> Vec<Request> {
        let mut requests = self.requests(since);
        requests.retain(|it| it.method != "GET");
        requests
    }

    /// The history of the connection, oldest first.
    pub fn history(&self) -> Vec<Entry> {
        let Some(stored) = self.stored() else {
            return Vec::new();
        };
        let reading = self.world.machine.memory.history(stored.id);
        let history = reading.now_or_never().unwrap().unwrap();
        history.map(|it| it.entries).unwrap_or_default()
    }

    /// How often the history has an entry of this kind.
    pub fn told(&self, kind: EntryKind) -> u32 {
        let history = self.history().into_iter();
        history
            .filter(|it| it.kind == kind)
            .map(|it| it.times)
            .sum()
    }

    /// The incidents of Ann.
    pub fn incidents(&self) -> Vec<Incident> {
        self.world.incidents(self.ann().id)
    }

    /// Ann's token for the provider.
    pub fn token(&self) -> &str {
        let token = &self.ann().tokens[nth(self.provider)];
        token.as_ref().expect("she gave it")
    }

    /// The repository has another name from now on.
    pub fn is_moved(&mut self, name: &str) {
        let offline = &self.world.offline;
        match self.provider {
            ProviderKind::Github => offline.github().rename(self.name(), name),
            ProviderKind::Gitlab => offline.gitlab().rename(self.name(), name),
        }
        self.is_named(name);
    }

    /// CI fails in the run of this number.
    pub fn fails(&self, number: u64) {
        let offline = &self.world.offline;
        match self.provider {
            ProviderKind::Github => {
                let spec = RunSpec::new(number, "failure");
                offline.github().play_run(self.name(), &spec);
            }
            ProviderKind::Gitlab => {
                let spec = PipelineSpec::new(number, "failed");
                offline.gitlab().play_pipeline(self.name(), &spec);
            }
        }
    }

    /// CI fails, and the hook delivers that. The statuses of the answers.
    pub async fn delivers(&mut self, number: u64) -> Vec<u16> {
        let before = self.answers().len();
        self.fails(number);
        self.world.pass(ANSWERED).await;
        self.answers().split_off(before)
    }

    /// The statuses that the hooks of the repository got, oldest first; 0 for none.
    pub fn answers(&self) -> Vec<u16> {
        let offline = &self.world.offline;
        let all = match self.provider {
            ProviderKind::Github => offline.github().deliveries(self.name()),
            ProviderKind::Gitlab => offline.gitlab().deliveries(self.name()),
        };
        all.into_iter().map(|it| it.status.unwrap_or(0)).collect()
    }

    /// A person with rights writes over the settings of the hook.
    pub async fn edits(&self, body: &Value) {
        let (hook, name, token) = (self.hooks()[0].id, self.name(), self.token());
        let bearer = format!("Bearer {token}").into_bytes();
        let (method, path) = match self.provider {
            ProviderKind::Github => ("PATCH", format!("/repos/{name}/hooks/{hook}")),
            ProviderKind::Gitlab => {
                let project = name.replace('/', "%2F");
                ("PUT", format!("/api/v4/projects/{project}/hooks/{hook}"))
            }
        };
        let headers = [
            ("authorization".to_owned(), bearer),
            ("content-type".to_owned(), b"application/json".to_vec()),
            ("user-agent".to_owned(), b"somebody".to_vec()),
        ];
        let offline = &self.world.offline;
        let answer = offline.answer((method, &path), &headers, body.to_string().into());
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status, 200, "{body}");
    }
}
