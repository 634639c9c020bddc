//! Runs that were played, as the API lists them.

use super::State;
use super::run::Run;
use serde_json::Value;
use std::collections::BTreeMap;

impl State {
    /// When a run was created, if it was played before.
    pub(crate) fn created_at_s(&self, full_name: &str, run: u64) -> Option<u64> {
        let repository = self.find(full_name)?;
        let run = self.runs.get(&(repository, run))?;
        Some(run.created_at_s)
    }

    /// Keeps the state that the events of a run lead to.
    pub(crate) fn keep_run<'a>(
        &mut self,
        full_name: &str,
        events: impl Iterator<Item = (&'a str, &'a Value)>,
    ) {
        let Some(repository) = self.find(full_name) else {
            return;
        };
        let (mut last, mut jobs) = (None, Vec::new());
        for (event, body) in events {
            match event {
                "workflow_run" => last = Some(&body["workflow_run"]),
                "workflow_job" if body["action"] == "completed" => {
                    jobs.push(body["workflow_job"].clone());
                }
                _ => {}
            }
        }
        let Some((body, id)) = last.and_then(|body| Some((body, body["id"].as_u64()?))) else {
            return;
        };
        let created_at_s = self.created_at_s(full_name, id).unwrap_or(self.now_s());
        let before = self.runs.remove(&(repository, id));
        let mut earlier = before
            .as_ref()
            .map_or_else(BTreeMap::new, |run| run.earlier.clone());
        if let Some(before) = before.filter(|run| run.body["run_attempt"] != body["run_attempt"]) {
            earlier.extend(
                before.body["run_attempt"]
                    .as_u64()
                    .map(|it| (it, before.body)),
            );
        }
        let run = Run {
            repository,
            id,
            created_at_s,
            body: body.clone(),
            jobs,
            earlier,
        };
        self.runs.insert((repository, id), run);
    }

    /// Keeps the logs of jobs, by their ids.
    pub(crate) fn keep_logs(&mut self, full_name: &str, logs: impl Iterator<Item = (u64, String)>) {
        if let Some(repository) = self.find(full_name) {
            let named = logs.map(|(job, log)| ((repository, job), log));
            self.logs.extend(named);
        }
    }

    /// The runs of a repository, the latest first.
    pub(crate) fn runs_of(&self, repository: u64) -> Vec<&Run> {
        let all = self
            .runs
            .values()
            .filter(|run| run.repository == repository);
        let mut all: Vec<&Run> = all.collect();
        all.sort_by_key(|run| std::cmp::Reverse((run.created_at_s, run.id)));
        all
    }
}
