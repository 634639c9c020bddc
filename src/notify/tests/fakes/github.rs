//! The issues of one repository at GitHub: one token, whose user may be without write access.
//!
//! What it does is known from GitHub's description of its API, of which `tests/interop` has a copy
//! and which <https://docs.github.com/rest/issues> shows, if nothing else is said.

mod life;
mod refusals;

use super::*;
use crate::domain::time::Timestamp;
use serde_json::json;

const TOKEN: &str = "github_pat_canary_11AAAAAAA0123456789";
const PATH: &str = "/api/v3/repos/octo/app";
/// When all issues were last changed, after the incident began; and when they were opened, if a
/// test says nothing else.
const UPDATED_AT: &str = "2023-11-14T22:14:00Z";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Issue {
    title: String,
    body: String,
    labels: Vec<String>,
    is_closed: bool,
    comments: Vec<String>,
    created_at: String,
    is_pull: bool,
    /// It was deleted (410), or transferred (301).
    gone: Option<u16>,
}

struct State {
    /// From number 1 on.
    issues: Vec<Issue>,
    /// The requests, without their queries.
    asked: Vec<String>,
    /// Answers the next requests with this status, these headers and this message.
    refusals: Vec<(u16, &'static str, &'static str)>,
    /// Does what the next request of this method asks for, and answers so.
    drops: Vec<(&'static str, Says)>,
    has_issues: bool,
    /// Without, the labels of new issues are dropped silently.
    may_push: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            issues: Vec::new(),
            asked: Vec::new(),
            refusals: Vec::new(),
            drops: Vec::new(),
            has_issues: true,
            may_push: true,
        }
    }
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

fn says(status: u16, body: Value) -> Says {
    (status, String::new(), body)
}

fn refusal(status: u16, words: &str) -> Says {
    says(
        status,
        json!({ "message": words, "status": status.to_string() }),
    )
}

impl Issue {
    fn new(body: &str, labels: &[&str]) -> Self {
        Self {
            title: "An issue".to_owned(),
            body: body.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            created_at: UPDATED_AT.to_owned(),
            ..Self::default()
        }
    }

    fn shown(&self, number: usize) -> Value {
        let labels = self.labels.iter().map(|name| json!({ "name": name }));
        let mut shown = json!({
            "number": number,
            "title": self.title,
            "body": self.body,
            "labels": labels.collect::<Vec<_>>(),
            "state": if self.is_closed { "closed" } else { "open" },
            "created_at": self.created_at,
            "updated_at": UPDATED_AT,
        });
        if self.is_pull {
            shown["pull_request"] = json!({ "url": "x" });
        }
        shown
    }
}

/// The part of a list that a query asks for. A page has 30 items, or 1 to 100.
fn page(items: &[Value], query: &[(String, String)]) -> Value {
    let of = |name: &str| query.iter().find(|(known, _)| known == name);
    let number = |name: &str| of(name).map(|(_, text)| text.parse::<usize>().unwrap());
    let (size, page) = (
        number("per_page").unwrap_or(30),
        number("page").unwrap_or(1),
    );
    assert!((1..=100).contains(&size) && page >= 1, "{query:?}");
    let items = items.iter().skip((page - 1) * size).take(size);
    items.cloned().collect::<Vec<_>>().into()
}

impl State {
    fn list(&self, query: &[(String, String)]) -> Says {
        let of = |name: &str| query.iter().find(|(known, _)| known == name);
        let of = |name: &str| of(name).map(|(_, text)| text.as_str());
        let (state, since) = (of("state").unwrap_or("open"), of("since").unwrap_or(""));
        // `YYYY-MM-DDTHH:MM:SSZ`.
        assert!(since.is_empty() || since.len() == 20, "{since}");
        let order = (of("sort"), of("direction"));
        assert_eq!(order, (Some("created"), Some("desc")));
        let listed = |issue: &Issue| {
            let has = |label: &str| issue.labels.iter().any(|it| it == label);
            let is_asked = of("labels").is_none_or(|all| all.split(',').all(has));
            let is_open = state == "all" || (state == "closed") == issue.is_closed;
            is_asked && is_open && issue.gone.is_none() && UPDATED_AT >= since
        };
        let numbered = self.issues.iter().enumerate().rev();
        let all: Vec<Value> = numbered
            .filter(|(_, issue)| listed(issue))
            .map(|(at, issue)| issue.shown(at + 1))
            .collect();
        says(200, page(&all, query))
    }

    fn create(&mut self, body: &Value) -> Says {
        let (Some(title), Some(text)) = (body["title"].as_str(), body["body"].as_str()) else {
            return refusal(422, "Validation Failed");
        };
        // https://github.com/DavyJonesLocker/party_foul/pull/122
        // https://github.com/peter-evans/create-issue-from-file/issues/1049
        if title.is_empty() || title.chars().count() > 256 || text.chars().count() > 65_536 {
            return refusal(422, "Validation Failed");
        }
        let labels = body["labels"].as_array().cloned().unwrap_or_default();
        let labels: Vec<&str> = labels.iter().map(|it| it.as_str().unwrap()).collect();
        let labels = if self.may_push { &labels[..] } else { &[] };
        self.issues.push(Issue {
            title: title.to_owned(),
            ..Issue::new(text, labels)
        });
        let number = self.issues.len();
        says(201, self.issues[number - 1].shown(number))
    }

    fn of_issue(
        &mut self,
        asked: (&str, &[&str]),
        query: &[(String, String)],
        body: &Value,
    ) -> Says {
        let (method, rest) = asked;
        let number: usize = rest[0].parse().unwrap_or_default();
        let found = number.checked_sub(1).and_then(|at| self.issues.get_mut(at));
        let Some(issue) = found else {
            return refusal(404, "Not Found");
        };
        if let Some(status) = issue.gone {
            return refusal(status, "This issue was deleted");
        }
        match (method, &rest[1..]) {
            ("GET", ["comments"]) => {
                let all = issue.comments.iter();
                let all: Vec<Value> = all.map(|text| json!({ "body": text })).collect();
                says(200, page(&all, query))
            }
            ("POST", ["comments"]) => {
                let text = body["body"].as_str().unwrap().to_owned();
                issue.comments.push(text.clone());
                says(201, json!({ "body": text }))
            }
            ("PATCH", []) => {
                let reasons = ["completed", "not_planned", "duplicate", "reopened"];
                assert!(reasons.iter().any(|it| body["state_reason"] == *it));
                issue.is_closed = body["state"] == "closed";
                says(200, issue.shown(number))
            }
            _ => refusal(404, "Not Found"),
        }
    }

    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        let path = asked.path.join("/");
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let below = path.strip_prefix(PATH.trim_start_matches('/'));
        self.asked
            .push(format!("{} {}", asked.method, below.unwrap_or(path)));
        let head = format!("{}\r\n", asked.head);
        // https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api
        for line in [
            "user-agent: hookherd/",
            "accept: application/vnd.github+json, application/json;q=0.9\r\n",
            "x-github-api-version: 2022-11-28\r\n",
        ] {
            assert!(head.contains(&format!("\r\n{line}")), "{line} in {head}");
        }
        if !head.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")) {
            return refusal(401, "Bad credentials");
        }
        if !self.refusals.is_empty() {
            let (status, headers, words) = self.refusals.remove(0);
            let (_, _, body) = refusal(status, words);
            return (status, headers.to_owned(), body);
        }
        let parts: Vec<&str> = below.unwrap_or("/-").split('/').skip(1).collect();
        match (asked.method, &parts[..]) {
            (_, ["issues", ..]) if !self.has_issues => {
                refusal(410, "Issues has been disabled in this repository.")
            }
            ("GET", ["issues"]) => self.list(&query),
            ("POST", ["issues"]) => self.create(&asked.body),
            (method, ["issues", rest @ ..]) => self.of_issue((method, rest), &query, &asked.body),
            _ => refusal(404, "Not Found"),
        }
    }
}

impl Fake {
    async fn serve(&self) -> Server {
        let fake = self.clone();
        serving(move |asked| {
            let mut state = fake.0.lock();
            let says = state.answer(asked);
            let mut drops = state.drops.iter();
            match drops.position(|(method, _)| *method == asked.method) {
                Some(at) => state.drops.remove(at).1,
                None => says,
            }
        })
        .await
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock());
    }

    fn issues(&self) -> Vec<Issue> {
        self.0.lock().issues.clone()
    }

    /// The requests since it was last asked.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().asked)
    }
}

fn at(server: &Server) -> At {
    At::new(server, SinkKind::GithubIssue, PATH, TOKEN)
}

/// The same message with the address of an issue that is not known.
fn unknown(message: &Message) -> Message {
    Message {
        shown_as: None,
        ..message.clone()
    }
}
