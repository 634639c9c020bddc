//! The providers of a simulator for another process: requests below `/_sim`.

use super::{GithubHandle, GitlabHandle};
use crate::simulator::faults::{Fault, Misbehaviour};
use crate::simulator::shared::Shared;
use crate::simulator::{DeliveryView, JobSpec, PipelineSpec, RunJobSpec, RunSpec};
use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The simulator, and the body or query of a request.
struct Request {
    shared: Data<Shared>,
    arguments: Value,
}

/// The answer: JSON, null for nothing to say, or the reason for a refusal.
type Done = Result<Value, String>;

impl Request {
    fn github(&self) -> GithubHandle {
        GithubHandle(self.shared.clone().into_inner())
    }

    fn gitlab(&self) -> GitlabHandle {
        GitlabHandle(self.shared.clone().into_inner())
    }

    /// An argument; one that may be left out is an `Option`.
    fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let value = self.arguments.get(name).cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(|why| format!("{name}: {why}"))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        self.get(name)
    }

    /// Whether a request about signing in is for GitLab.
    fn is_gitlab(&self) -> Result<bool, String> {
        match self.text("provider")?.as_str() {
            "github" => Ok(false),
            "gitlab" => Ok(true),
            other => Err(format!("no such provider: {other}")),
        }
    }

    fn in_general(&self, name: &str) -> Done {
        match name {
            "faults" => {
                let number: Option<u64> = self.get("number")?;
                let fault = Misbehaviour::named(&self.text("fault")?, number.unwrap_or(0));
                let (times, after) = (
                    self.get::<Option<_>>("times")?,
                    self.get::<Option<_>>("after")?,
                );
                self.shared.faults.push(Fault {
                    operation: self.get("operation")?,
                    misbehaviour: fault.ok_or("no such fault")?,
                    times: times.unwrap_or(1),
                    after: after.unwrap_or(0),
                });
            }
            "outage" => self.shared.faults.outage(self.get("lasts")?),
            "busy" => return Ok(json!({ "busy": self.shared.transport.is_busy() })),
            "requests" => return Ok(json!(self.shared.ground.requests())),
            "clock" => {
                let by = Duration::from_secs(self.get("advance_s")?);
                self.shared.ground.advance_clock(by);
            }
            _ => return self.at_github(name),
        }
        Ok(Value::Null)
    }

    fn at_github(&self, name: &str) -> Done {
        let (github, repository) = (self.github(), || self.text("repository"));
        match name {
            "users" => return Ok(json!({ "token": github.add_user(&self.text("login")?) })),
            "repositories" => {
                let id = github.add_repository(&self.text("full_name")?, &self.text("owner")?);
                return Ok(json!({ "id": id }));
            }
            "hooks" => {
                let hooks = github.hooks(&repository()?).into_iter();
                let show = hooks.map(|h| {
                    json!({ "id": h.id, "url": h.url, "events": h.events, "secret": h.secret,
                        "active": h.is_active })
                });
                return Ok(show.collect());
            }
            "hooks/url" => {
                let (hook, url) = (self.get("hook")?, self.text("url")?);
                github.edit_hook_url_by_hand(&repository()?, hook, &url);
            }
            "deliveries" => return Ok(shown(github.deliveries(&repository()?))),
            "runs" => {
                let mut spec = RunSpec::new(self.get("number")?, &self.text("conclusion")?);
                let jobs: Option<Vec<RunJobSpec>> = self.get("jobs")?;
                spec.attempt = self.get::<Option<_>>("attempt")?.unwrap_or(spec.attempt);
                spec.workflow = self.get::<Option<_>>("workflow")?.unwrap_or(spec.workflow);
                spec.branch = self.get::<Option<_>>("branch")?.unwrap_or(spec.branch);
                spec.jobs = jobs.unwrap_or_default();
                github.play_run(&repository()?, &spec);
            }
            "push" => github.push(&repository()?),
            _ => return Err("no such request".into()),
        }
        Ok(Value::Null)
    }

    fn at_gitlab(&self, name: &str) -> Done {
        let (gitlab, project) = (self.gitlab(), || self.text("project"));
        match name {
            "users" => {
                let scopes: Option<Vec<String>> = self.get("scopes")?;
                let scopes = scopes.unwrap_or_else(|| vec!["api".into()]);
                let token = gitlab.add_token(&self.text("login")?, &texts(&scopes));
                return Ok(json!({ "token": token }));
            }
            "projects" => {
                let id = gitlab.add_project(&self.text("path")?, &self.text("owner")?);
                return Ok(json!({ "id": id }));
            }
            "roles" => {
                gitlab.set_role(&self.text("login")?, &project()?, self.get("access_level")?);
            }
            "hooks" => {
                let hooks = gitlab.hooks(&project()?).into_iter();
                let show = hooks.map(|h| {
                    json!({ "id": h.id, "url": h.url, "token": h.token, "events": h.events,
                        "signing_token": h.signing_token, "alert_status": h.alert_status,
                        "failures": h.failures })
                });
                return Ok(show.collect());
            }
            "hooks/url" => {
                let (hook, url) = (self.get("hook")?, self.text("url")?);
                gitlab.edit_hook_url_by_hand(&project()?, hook, &url);
            }
            "deliveries" => return Ok(shown(gitlab.deliveries(&project()?))),
            "pipelines" => {
                let mut spec = PipelineSpec::new(self.get("id")?, &self.text("status")?);
                spec.ref_name = self.get::<Option<_>>("ref")?.unwrap_or(spec.ref_name);
                spec.source = self.get::<Option<_>>("source")?.unwrap_or(spec.source);
                if let Some(jobs) = self.get::<Option<Vec<Value>>>("jobs")? {
                    let jobs: Result<Vec<_>, _> =
                        jobs.into_iter().map(|job| self.job(job)).collect();
                    spec.jobs = jobs?;
                }
                gitlab.play_pipeline(&project()?, &spec);
            }
            "retries" => {
                let (id, status) = (self.get("id")?, self.text("status")?);
                gitlab.retry_pipeline(&project()?, id, &status);
            }
            "push" => gitlab.push(&project()?),
            "settings" => {
                if let Some((major, minor)) = self.get::<Option<_>>("version")? {
                    gitlab.set_version(major, minor);
                }
                if let Some(disables) = self.get::<Option<_>>("auto_disabling")? {
                    gitlab.set_auto_disabling(disables);
                }
            }
            _ => return Err("no such request".into()),
        }
        Ok(Value::Null)
    }

    fn job(&self, arguments: Value) -> Result<JobSpec, String> {
        let job = Self {
            shared: self.shared.clone(),
            arguments,
        };
        let mut spec = JobSpec::new(&job.text("name")?, &job.text("status")?);
        spec.may_fail = job.get::<Option<_>>("may_fail")?.unwrap_or(false);
        spec.stage = job.get::<Option<_>>("stage")?.unwrap_or(spec.stage);
        Ok(spec)
    }

    /// Signing in, at either provider.
    fn at_desk(&self, name: &str) -> Done {
        let (github, gitlab) = (self.github(), self.gitlab());
        let login: Option<String> = self.get("login")?;
        match name {
            "applications" => {
                let (id, uri) = (self.text("client_id")?, self.text("redirect_uri")?);
                let secret: Option<String> = self.get("client_secret")?;
                if self.is_gitlab()? {
                    gitlab.add_application(&id, secret.as_deref(), &uri);
                } else {
                    github.add_application(&id, secret.as_deref(), &uri);
                }
            }
            "sign_in" if self.is_gitlab()? => gitlab.sign_in(login.as_deref()),
            "sign_in" => github.sign_in(login.as_deref()),
            // Without a login the device is denied.
            "devices" => {
                let code = self.text("user_code")?;
                let is_there = match (self.is_gitlab()?, login) {
                    (false, Some(login)) => github.approve_device(&code, &login),
                    (false, None) => github.deny_device(&code),
                    (true, Some(login)) => gitlab.approve_device(&code, &login),
                    (true, None) => gitlab.deny_device(&code),
                };
                is_there.then_some(()).ok_or("no such code")?;
            }
            "apps" => {
                let (id, key) = (self.get("id")?, self.text("public_key")?);
                let is_key = github.add_app(id, &self.text("slug")?, &key);
                is_key.then_some(()).ok_or("no public key")?;
                let repositories: Vec<String> = self.get("repositories")?;
                let id = github.install_app(id, &self.text("account")?, &texts(&repositories));
                return Ok(json!({ "id": id }));
            }
            _ => return Err("no such request".into()),
        }
        Ok(Value::Null)
    }
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

fn shown(all: Vec<DeliveryView>) -> Value {
    let show = |d: DeliveryView| {
        json!({ "id": d.id, "guid": d.guid, "hook": d.hook, "event": d.event,
            "status": d.status, "answer": d.answer })
    };
    all.into_iter().map(show).collect()
}

fn answer(shared: Data<Shared>, path: &str, arguments: Value) -> HttpResponse {
    let request = Request { shared, arguments };
    let done = match path.split_once('/') {
        Some(("gitlab", name)) => request.at_gitlab(name),
        Some(("oauth", name)) => request.at_desk(name),
        Some(_) | None => request.in_general(path),
    };
    match done {
        Ok(Value::Null) => HttpResponse::Accepted().finish(),
        Ok(json) => HttpResponse::Ok().json(json),
        Err(why) => HttpResponse::BadRequest().body(why),
    }
}

async fn get(
    shared: Data<Shared>,
    path: web::Path<String>,
    query: web::Query<Map<String, Value>>,
) -> HttpResponse {
    answer(shared, &path, Value::Object(query.into_inner()))
}

async fn post(
    shared: Data<Shared>,
    path: web::Path<String>,
    body: web::Json<Value>,
) -> HttpResponse {
    answer(shared, &path, body.into_inner())
}

pub(crate) fn register(config: &mut ServiceConfig) {
    let resource = web::resource("/_sim/{path:.*}").route(web::get().to(get));
    config.service(resource.route(web::post().to(post)));
}
