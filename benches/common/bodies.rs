//! Bodies of `workflow_run` deliveries with the fields and the size of GitHub's: about 19 KB, no
//! two alike. They follow from their number.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The repository that all bodies speak of.
pub const REPOSITORY: &str = "octo/application";
/// The owner in its name.
pub const OWNER: &str = "octo";

const API: &str = "https://api.github.example";
const WEB: &str = "https://github.example";
/// Events of a run: requested, in progress, completed.
const EVENTS_OF_A_RUN: u64 = 3;
const WORKFLOWS: [&str; 5] = ["CI", "Lint", "Release", "Nightly", "Docs"];
/// Branches that runs are on, besides `main`.
const BRANCHES: u64 = 40;
/// One run in so many fails.
const FAILS_ONE_IN: u64 = 8;
/// When the first run began, in seconds since the epoch.
const BEGUN_S: i64 = 1_790_000_000;

/// What a repository has URLs for, below its own.
const REPOSITORY_URLS: [&str; 34] = [
    "forks",
    "keys{/key_id}",
    "collaborators{/collaborator}",
    "teams",
    "hooks",
    "issues/events{/number}",
    "events",
    "assignees{/user}",
    "branches{/branch}",
    "tags",
    "git/blobs{/sha}",
    "git/tags{/sha}",
    "git/refs{/sha}",
    "git/trees{/sha}",
    "statuses/{sha}",
    "languages",
    "stargazers",
    "contributors",
    "subscribers",
    "subscription",
    "commits{/sha}",
    "git/commits{/sha}",
    "comments{/number}",
    "contents/{+path}",
    "compare/{base}...{head}",
    "merges",
    "{archive_format}{/ref}",
    "downloads",
    "issues{/number}",
    "pulls{/number}",
    "milestones{/number}",
    "labels{/name}",
    "releases{/id}",
    "deployments",
];

/// What an account has URLs for.
const ACCOUNT_URLS: [&str; 9] = [
    "followers",
    "following{/other_user}",
    "gists{/gist_id}",
    "starred{/owner}{/repo}",
    "subscriptions",
    "orgs",
    "repos",
    "events{/privacy}",
    "received_events",
];

/// Digits that follow from a number and do not compress (splitmix64).
pub fn digits(seed: u64, count: usize) -> String {
    let mut text = String::new();
    let mut state = seed;
    while text.len() < count {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        text += &HEXLOWER.encode(&(word ^ (word >> 31)).to_be_bytes());
    }
    text.truncate(count);
    text
}

fn moment(seconds: u64) -> String {
    let seconds = BEGUN_S + i64::try_from(seconds).expect("few seconds pass in a bench");
    let moment = OffsetDateTime::from_unix_timestamp(seconds).expect("it is in this century");
    moment
        .format(&Rfc3339)
        .expect("this century has four digits")
}

/// The name of the field for a URL such as `git/refs{/sha}`.
fn field(url: &str) -> String {
    let name: String = url.split('{').next().unwrap_or_default().replace('/', "_");
    let name = if name.is_empty() { "archive" } else { &name };
    format!("{}_url", name.trim_end_matches('_'))
}

fn account(login: &str, id: u64) -> Value {
    let url = format!("{API}/users/{login}");
    let mut account = json!({
        "login": login, "id": id, "node_id": digits(id, 20), "gravatar_id": "", "url": url,
        "avatar_url": format!("https://avatars.github.example/u/{id}?v=4"),
        "html_url": format!("{WEB}/{login}"), "type": "User", "user_view_type": "public",
        "site_admin": false,
    });
    for part in ACCOUNT_URLS {
        account[field(part)] = json!(format!("{url}/{part}"));
    }
    account
}

/// A repository as it stands inside of a run: its URLs.
fn minimal_repository(id: u64) -> Value {
    let (url, web) = (
        format!("{API}/repos/{REPOSITORY}"),
        format!("{WEB}/{REPOSITORY}"),
    );
    let name = REPOSITORY.rsplit('/').next();
    let mut repository = json!({
        "id": id, "node_id": digits(id, 16), "name": name, "full_name": REPOSITORY,
        "private": true, "owner": account(OWNER, 4242), "html_url": web, "fork": false,
        "description": "An application that is built, tested and released all day long",
        "url": url,
    });
    for part in REPOSITORY_URLS {
        repository[field(part)] = json!(format!("{url}/{part}"));
    }
    repository
}

fn whole_repository(id: u64, pushed: u64) -> Value {
    let web = format!("{WEB}/{REPOSITORY}");
    let mut repository = minimal_repository(id);
    let more = json!({
        "created_at": moment(0), "updated_at": moment(pushed), "pushed_at": moment(pushed),
        "git_url": format!("git://github.example/{REPOSITORY}.git"), "svn_url": web,
        "ssh_url": format!("git@github.example:{REPOSITORY}.git"), "homepage": null,
        "clone_url": format!("{web}.git"), "size": 84_512, "stargazers_count": 17,
        "watchers_count": 17, "language": "Rust", "has_issues": true, "has_projects": true,
        "has_downloads": true, "has_wiki": false, "has_pages": false, "has_discussions": false,
        "forks_count": 3, "mirror_url": null, "archived": false, "disabled": false,
        "open_issues_count": 29, "license": null, "allow_forking": false, "is_template": false,
        "web_commit_signoff_required": false, "topics": ["service", "webhooks"],
        "visibility": "private", "forks": 3, "open_issues": 29, "watchers": 17,
        "default_branch": "main", "custom_properties": {},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        repository[name] = value.clone();
    }
    repository
}

/// What changes from run to run.
struct Run {
    id: u64,
    number: u64,
    workflow: usize,
    branch: String,
    sha: String,
    conclusion: &'static str,
}

impl Run {
    fn of(number: u64) -> Self {
        let workflow = usize::try_from(number % 5).expect("it is less than five");
        let branch = match number % 3 {
            0 => "main".to_owned(),
            _ => format!("topic/change-{}", number % BRANCHES),
        };
        let luck = u64::from_str_radix(&digits(number, 8), 16).expect("they are digits");
        let fails = luck.is_multiple_of(FAILS_ONE_IN);
        Self {
            id: 17_000_000_000 + number,
            number,
            workflow,
            branch,
            sha: digits(number, 40),
            conclusion: if fails { "failure" } else { "success" },
        }
    }

    fn workflow(&self) -> Value {
        let name = WORKFLOWS[self.workflow];
        let id = 9_000_001 + self.workflow;
        let path = format!(".github/workflows/{}.yml", name.to_lowercase());
        json!({
            "id": id, "node_id": format!("W_kwDO{id}"), "name": name, "path": path,
            "state": "active", "created_at": moment(0), "updated_at": moment(0),
            "url": format!("{API}/repos/{REPOSITORY}/actions/workflows/{id}"),
            "html_url": format!("{WEB}/{REPOSITORY}/blob/main/{path}"),
            "badge_url": format!("{WEB}/{REPOSITORY}/workflows/{name}/badge.svg"),
        })
    }

    fn event(&self, repository: u64, status: &str, conclusion: Option<&str>, at: u64) -> Value {
        let (id, suite) = (self.id, self.id + 7_000_000_000);
        let base = format!("{API}/repos/{REPOSITORY}");
        let url = format!("{base}/actions/runs/{id}");
        let workflow = self.workflow();
        let mut run = json!({
            "id": id, "name": workflow["name"], "node_id": format!("WFR_kwLO{}", digits(id, 12)),
            "head_branch": self.branch, "head_sha": self.sha, "path": workflow["path"],
            "display_title": format!("Change number {} of many", self.number),
            "run_number": self.number, "event": "push", "status": status,
            "conclusion": conclusion, "workflow_id": workflow["id"], "check_suite_id": suite,
            "check_suite_node_id": format!("CS_kwDO{}", digits(suite, 12)), "url": url,
            "html_url": format!("{WEB}/{REPOSITORY}/actions/runs/{id}"), "pull_requests": [],
            "created_at": moment(self.number), "updated_at": moment(at), "run_attempt": 1,
            "actor": account("ann", 77), "triggering_actor": account("ann", 77),
            "referenced_workflows": [], "run_started_at": moment(self.number),
            "previous_attempt_url": null, "workflow_url": workflow["url"],
            "check_suite_url": format!("{base}/check-suites/{suite}"),
            "head_repository": minimal_repository(repository),
            "repository": minimal_repository(repository),
        });
        for part in ["jobs", "logs", "artifacts", "cancel", "rerun"] {
            run[field(part)] = json!(format!("{url}/{part}"));
        }
        run["head_commit"] = json!({
            "id": self.sha, "tree_id": digits(self.id, 40), "timestamp": moment(self.number),
            "message": format!("Change number {}\n\nIt was asked for.", self.number),
            "author": { "name": "Ann", "email": "ann@example.org" },
            "committer": { "name": "Ann", "email": "ann@example.org" },
        });
        run
    }
}

/// The body of delivery `number`: three of them tell of each run.
pub fn workflow_run(repository: u64, number: u64) -> Vec<u8> {
    let run = Run::of(number / EVENTS_OF_A_RUN);
    let (action, status, conclusion) = match number % EVENTS_OF_A_RUN {
        0 => ("requested", "queued", None),
        1 => ("in_progress", "in_progress", None),
        _ => ("completed", "completed", Some(run.conclusion)),
    };
    let at = run.number + number % EVENTS_OF_A_RUN;
    let body = json!({
        "action": action, "workflow_run": run.event(repository, status, conclusion, at),
        "workflow": run.workflow(), "repository": whole_repository(repository, run.number),
        "organization": account(OWNER, 4242), "sender": account("ann", 77),
    });
    body.to_string().into_bytes()
}
