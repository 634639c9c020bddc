//! The same at GitLab: a pipeline with its failed jobs, a retry, and a hook that GitLab disables.

use crate::cli::demo::stage::{Stage, ensure};
use crate::cli::failed::{CommandResult, Failed};
use crate::cli::output::text_of;
use crate::simulator::{GitlabHandle, JobSpec, Miscarriage, PipelineSpec};
use reqwest::Method;
use serde_json::json;

const PROJECT: &str = "acme/backend/payments";
/// GitLab disables a hook after so many refusals in a row.
const REFUSALS: usize = 4;

pub(super) async fn play(stage: &Stage) -> CommandResult {
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("ann");
    gitlab.add_project(PROJECT, "ann");
    gitlab.set_auto_disabling(true);
    let id = connect(stage, &gitlab, &token).await?;
    failing_pipeline(stage, &gitlab, &id).await?;
    disabled_hook(stage, &gitlab, &id).await
}

async fn connect(stage: &Stage, gitlab: &GitlabHandle, token: &str) -> Result<String, Failed> {
    stage.say(&format!(
        "9. The other half of the company is on GitLab. Ann connects {PROJECT}, too."
    ));
    let body = json!({ "provider": "gitlab", "token": token });
    stage.call(Method::POST, "credentials", Some(body)).await?;
    let body = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
    let connected = stage.connect(body).await?;
    let status = text_of(&connected, "/webhook_status");
    ensure(status == "active", "the webhook at GitLab is active")?;
    let hooks = gitlab.hooks(PROJECT);
    ensure(hooks.len() == 1, "there is exactly one hook at GitLab")?;
    ensure(
        hooks[0].signing_token.is_some(),
        "the hook signs its deliveries",
    )?;
    stage.result("connected; this GitLab version signs its deliveries.");
    Ok(text_of(&connected, "/id").to_owned())
}

async fn failing_pipeline(stage: &Stage, gitlab: &GitlabHandle, id: &str) -> CommandResult {
    stage.say("10. A pipeline fails there; then the job is retried and passes.");
    let mut spec = PipelineSpec::new(501, "failed");
    let mut flaky = JobSpec::new("nightly-lint", "failed");
    flaky.may_fail = true;
    spec.jobs.push(flaky);
    gitlab.play_pipeline(PROJECT, &spec);
    stage
        .until("the pipeline's failure is an incident", async || {
            Ok(stage.incidents("open").await?.len() == 1)
        })
        .await?;
    let incident = stage.incidents("open").await?.remove(0);
    ensure(
        text_of(&incident, "/connection_id") == id,
        "the incident is the project's",
    )?;
    let jobs = incident["failed_jobs"].as_array().cloned();
    let jobs: Vec<String> = jobs
        .iter()
        .flatten()
        .map(|job| text_of(job, "/name").to_owned())
        .collect();
    ensure(
        jobs == ["unit"],
        "the failed job is named, and not the one that may fail",
    )?;
    stage.result(&format!(
        "incident: {}; failed job: {}",
        text_of(&incident, "/title"),
        jobs.join(", ")
    ));
    gitlab.retry_pipeline(PROJECT, spec.id, "success");
    stage
        .until("the retry resolves the incident", async || {
            Ok(stage.incidents("open").await?.is_empty())
        })
        .await?;
    stage.result("the retry passed: the incident is resolved.");
    Ok(())
}

async fn disabled_hook(stage: &Stage, gitlab: &GitlabHandle, id: &str) -> CommandResult {
    stage.say(&format!(
        "11. {REFUSALS} wrongly signed deliveries are refused, and GitLab disables the webhook."
    ));
    for _ in 0..REFUSALS {
        let before = gitlab.deliveries(PROJECT).len();
        stage
            .simulator
            .faults()
            .next_delivery(Miscarriage::WrongSecret);
        gitlab.push(PROJECT);
        stage
            .until("the wrongly signed delivery is refused", async || {
                let all = gitlab.deliveries(PROJECT);
                Ok(all.get(before).is_some_and(|d| d.status == Some(401)))
            })
            .await?;
    }
    stage
        .until("the webhook works again", async || {
            let hooks = gitlab.hooks(PROJECT);
            let is_up = hooks.len() == 1 && hooks[0].alert_status == "executable";
            let status = stage.connection(id).await?;
            Ok(is_up && text_of(&status, "/webhook_status") == "active")
        })
        .await?;
    let repaired = stage.incidents("resolved").await?;
    let reported = repaired
        .iter()
        .any(|incident| text_of(incident, "/failure_type") == "hook_disabled");
    ensure(
        reported,
        "an incident reported the disabled hook and is resolved",
    )?;
    stage.result("the next check noticed, sent a test delivery, and GitLab enabled it again.");
    Ok(())
}
