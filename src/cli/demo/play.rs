//! The play: connect, fail, recover, lose a hook, have one led astray, live through an
//! outage, the same at GitLab, disconnect.

mod gitlab;

use super::stage::{Stage, ensure};
use crate::cli::failed::{CommandResult, Failed};
use crate::cli::output::text_of;
use crate::simulator::RunSpec;
use reqwest::Method;
use serde_json::{Value, json};

const SHOP: &str = "acme/shop";
const TOOLS: &str = "acme/tools";

pub(super) async fn play(stage: &Stage) -> CommandResult {
    let github = stage.github();
    let token = github.add_user("ann");
    github.add_repository(SHOP, "ann");
    github.add_repository(TOOLS, "ann");
    let (daemon, api) = (&stage.url, stage.simulator.api_url());
    stage.say(&format!(
        "A simulated GitHub and GitLab run at {api}, the daemon at {daemon}.\n"
    ));
    stage.say("1. Ann gives the daemon her GitHub token. It is checked, sealed and never shown.");
    let body = json!({ "provider": "github", "token": token });
    let credential = stage.call(Method::POST, "credentials", Some(body)).await?;
    ensure(
        text_of(&credential, "/account/login") == "ann",
        "the token is ann's",
    )?;
    ensure(
        !credential.to_string().contains(&token),
        "the token is not shown",
    )?;

    let shop = connect(stage).await?;
    add_sink(stage).await?;
    failing_ci(stage, &shop).await?;
    passing_fork(stage).await?;
    green_ci(stage).await?;
    deleted_hook(stage, &shop).await?;
    edited_url(stage, &shop).await?;
    outage(stage).await?;
    forged(stage, &shop).await?;
    gitlab::play(stage).await?;
    ensure(
        stage.github().hooks(SHOP).len() == 1,
        "GitHub's hooks were left alone",
    )?;
    disconnect(stage, &shop).await
}

async fn connect(stage: &Stage) -> Result<String, Failed> {
    stage.say(&format!(
        "2. She connects {SHOP}: the webhook is created with a secret of its own."
    ));
    let body = json!({ "repository_full_name": SHOP });
    let shop = stage.connect(body).await?;
    ensure(
        text_of(&shop, "/webhook_status") == "active",
        "the webhook is active",
    )?;
    ensure(
        stage.github().hooks(SHOP).len() == 1,
        "there is exactly one hook",
    )?;
    stage.result(&format!(
        "{} posts to {}",
        text_of(&shop, "/id"),
        text_of(&shop, "/webhook_url")
    ));
    let id = text_of(&shop, "/id").to_owned();
    stage
        .until("GitHub's ping is answered", async || {
            let connection = stage.connection(&id).await?;
            Ok(!connection["webhook_last_delivery_at"].is_null())
        })
        .await?;
    stage.result("GitHub's ping arrived, was verified, stored and answered.");
    Ok(id)
}

async fn add_sink(stage: &Stage) -> CommandResult {
    stage.say("   She adds a sink: a receiver of signed webhooks that is notified of incidents.");
    let url = format!("http://{}/hook", stage.sink.address);
    let body = json!({ "kind": "webhook", "name": "demo", "url": url });
    let sink = stage.call(Method::POST, "sinks", Some(body)).await?;
    let path = format!("sinks/{}/test", text_of(&sink, "/id"));
    let tested = stage.call(Method::POST, &path, None).await?;
    ensure(
        tested["accepted"] == true,
        "the sink accepts a test message",
    )?;
    let (host, took) = (text_of(&sink, "/host"), &tested["took_ms"]);
    stage.result(&format!("{host} has accepted a test message in {took} ms."));
    Ok(())
}

/// The sink has got so many messages, the last of this kind.
async fn notified(stage: &Stage, count: usize, kind: &str) -> CommandResult {
    stage
        .until("the sink is notified", async || {
            Ok(stage.sink.kinds().len() >= count)
        })
        .await?;
    let kinds = stage.sink.kinds();
    let is_it = kinds.len() == count && kinds.last().is_some_and(|last| last == kind);
    ensure(is_it, "the sink is notified once")?;
    stage.result(&format!("the sink is notified: {kind}."));
    Ok(())
}

async fn failing_ci(stage: &Stage, shop: &str) -> CommandResult {
    stage.say("3. CI fails on main, twice. That is one incident, counted twice.");
    stage.github().play_run(SHOP, &RunSpec::new(1, "success"));
    stage.github().play_run(SHOP, &RunSpec::new(2, "failure"));
    stage.github().play_run(SHOP, &RunSpec::new(3, "failure"));
    stage
        .until("the incident counts two failures", async || {
            let open = stage.incidents("open").await?;
            Ok(open.len() == 1 && open[0]["occurrences"] == 2)
        })
        .await?;
    let incident = stage.incidents("open").await?.remove(0);
    ensure(
        text_of(&incident, "/connection_id") == shop,
        "the incident is the shop's",
    )?;
    let (title, url) = (text_of(&incident, "/title"), text_of(&incident, "/run_url"));
    stage.result(&format!("incident: {title} (2 times), {url}"));
    notified(stage, 2, "incident.opened").await
}

async fn passing_fork(stage: &Stage) -> CommandResult {
    stage.say(
        "   A fork's pull request passes while main is red. It comes from the fork's own main.",
    );
    let passes = RunSpec::new(90, "success").of_fork("stranger/shop", "main");
    stage.github().play_run(SHOP, &passes);
    stage
        .until("the fork's run is recorded", async || {
            let all = stage.items("workflows/runs").await?;
            let is_it = |run: &Value| {
                text_of(run, "/head_repository") == "stranger/shop"
                    && run["conclusion"] == "success"
            };
            Ok(all.iter().any(is_it))
        })
        .await?;
    let open = stage.incidents("open").await?;
    ensure(
        open.len() == 1 && text_of(&open[0], "/branch") == "main",
        "main is still red",
    )?;
    stage.result("main is still red: a fork's run does not resolve it.");
    Ok(())
}

async fn green_ci(stage: &Stage) -> CommandResult {
    stage.say("4. An old run passes late and resolves nothing. Then a new run passes.");
    let mut late = RunSpec::new(1, "success");
    late.attempt = 2;
    stage.github().play_run(SHOP, &late);
    stage
        .until("the late run is recorded", async || {
            let all = stage.items("workflows/runs").await?;
            Ok(all
                .iter()
                .any(|run| run["run_attempt"] == 2 && run["conclusion"] == "success"))
        })
        .await?;
    ensure(
        stage.incidents("open").await?.len() == 1,
        "the incident is still open",
    )?;
    stage.github().play_run(SHOP, &RunSpec::new(4, "success"));
    stage
        .until("the incident is resolved", async || {
            Ok(stage.incidents("open").await?.is_empty())
        })
        .await?;
    stage.result("the incident is resolved.");
    notified(stage, 3, "incident.resolved").await
}

async fn deleted_hook(stage: &Stage, shop: &str) -> CommandResult {
    stage.say("5. The webhook is deleted on GitHub's settings page.");
    let old = stage.github().hooks(SHOP)[0].id;
    stage.github().delete_hook_by_hand(SHOP, old);
    stage
        .until("the hook is made again", async || {
            let hooks = stage.github().hooks(SHOP);
            Ok(hooks.len() == 1 && hooks[0].id != old)
        })
        .await?;
    stage.until_active(shop).await?;
    stage.result("the next check noticed and created it again, once.");
    Ok(())
}

async fn edited_url(stage: &Stage, shop: &str) -> CommandResult {
    stage.say("6. The webhook's URL is changed there to another server.");
    let ours = stage.github().hooks(SHOP).remove(0);
    let elsewhere = "http://127.0.0.1:9/somewhere/else";
    stage
        .github()
        .edit_hook_url_by_hand(SHOP, ours.id, elsewhere);
    stage
        .until("the webhook has its URL again", async || {
            Ok(stage.github().hooks(SHOP).iter().any(|h| h.url == ours.url))
        })
        .await?;
    let hooks = stage.github().hooks(SHOP);
    ensure(
        hooks.len() == 1 && hooks[0].id == ours.id,
        "it is the same webhook, and no second one was made",
    )?;
    ensure(hooks[0].secret == ours.secret, "its secret is in it")?;
    stage.until_active(shop).await?;
    stage.result("the same webhook posts to the daemon again; no second one was created.");
    Ok(())
}

async fn outage(stage: &Stage) -> CommandResult {
    stage.say(&format!(
        "7. GitHub's API goes down, and Ann connects {TOOLS} anyway."
    ));
    stage.simulator.faults().outage(true);
    let body = json!({ "repository_full_name": TOOLS });
    let tools = stage.connect(body).await?;
    let (status, why) = (
        text_of(&tools, "/webhook_status"),
        text_of(&tools, "/last_error/message"),
    );
    ensure(["pending", "failed"].contains(&status), "the webhook waits")?;
    stage.result(&format!("connected, webhook {status}: {why}"));
    stage.simulator.faults().outage(false);
    let id = text_of(&tools, "/id").to_owned();
    stage.until_active(&id).await?;
    ensure(
        stage.github().hooks(TOOLS).len() == 1,
        "there is exactly one hook",
    )?;
    stage.result("GitHub is back; the webhook was created automatically.");
    Ok(())
}

async fn forged(stage: &Stage, shop: &str) -> CommandResult {
    stage.say("8. A forged delivery arrives, and GitHub delivers a real one twice.");
    let url = text_of(&stage.connection(shop).await?, "/webhook_url").to_owned();
    let forged = reqwest::Client::new()
        .post(url)
        .header("x-github-event", "push")
        .header("x-github-delivery", "forged")
        .header("x-hub-signature-256", format!("sha256={}", "0".repeat(64)))
        .body("{}")
        .send()
        .await?;
    ensure(forged.status() == 401, "the forged delivery is refused")?;
    stage.github().push(SHOP);
    let pushed = || {
        stage
            .github()
            .deliveries(SHOP)
            .into_iter()
            .rfind(|d| d.event == "push")
    };
    stage
        .until("the push is delivered", async || {
            Ok(pushed().is_some_and(|d| d.status == Some(202)))
        })
        .await?;
    let first = pushed().ok_or_else(|| Failed::new("there is a push"))?;
    stage.github().redeliver(SHOP, first.id);
    stage
        .until("the repetition is answered", async || {
            Ok(pushed().is_some_and(|d| d.id != first.id && d.status == Some(200)))
        })
        .await?;
    let again = pushed().ok_or_else(|| Failed::new("there is a push"))?;
    ensure(
        again.answer.contains("duplicate"),
        "the repetition is a duplicate",
    )?;
    stage.result("401 for the forged one; the duplicate was recognised and has no effect.");
    Ok(())
}

async fn disconnect(stage: &Stage, shop: &str) -> CommandResult {
    stage.say(&format!("12. Ann disconnects {SHOP}."));
    let path = format!("repositories/connections/{shop}");
    let answer = stage.call(Method::DELETE, &path, None).await?;
    ensure(answer["webhook_deleted"] == true, "the webhook is deleted")?;
    ensure(stage.github().hooks(SHOP).is_empty(), "no hook is left")?;
    stage.result(text_of(&answer, "/message"));
    Ok(())
}
