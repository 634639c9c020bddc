//! The house rules, checked: layers, sizes, banned calls, and lists that must be in step.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, with its tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Columns of a line.
const COLUMNS_MAX: usize = 100;

/// Which rooms of ours a room may name. A room may always name itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain"]),
    ("seal", &["domain"]),
    ("provider", &["domain"]),
    ("telemetry", &["domain"]),
    ("config", &["domain"]),
    (
        "actor",
        &["domain", "store", "provider", "seal", "telemetry"],
    ),
    (
        "api",
        &["domain", "store", "provider", "actor", "telemetry"],
    ),
    (
        "cli",
        &["config", "domain", "api", "app", "simulator", "telemetry"],
    ),
    ("simulator", &["domain", "provider"]),
];

/// Words that must not stand in the code outside of tests, and the files where they may.
const BANNED: &[(&str, &[&str])] = &[
    (".unwrap()", &[]),
    ("println!", &[]),
    ("thread::sleep", &[]),
    (
        "SystemTime::now",
        &[
            "src/app/adapters.rs",
            "src/store/disk/retain.rs",
            "src/simulator",
        ],
    ),
    ("sled::", &["src/store/view.rs"]),
    ("bincode::", &["src/store/record"]),
    ("#[allow", &[]),
    ("unsafe ", &[]),
];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The text without the tests at its end.
    fn code(&self) -> &str {
        let end = self
            .text
            .find("#[cfg(test)]\nmod tests {")
            .unwrap_or(self.text.len());
        &self.text[..end]
    }

    fn is_test(&self) -> bool {
        let path = self.path.as_str();
        path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("tests/")
    }

    /// The room that it stands in, when it is one of the layers.
    fn room(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let end = rest.find(['/', '.'])?;
        Some(&rest[..end])
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn walk(dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        if path.is_dir() && name != "node_modules" && name != "fixtures" {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("sources are text");
            let path = path.strip_prefix(root()).expect("it is below the root");
            found.push(Source {
                path: path.display().to_string(),
                text,
            });
        }
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for dir in ["src", "tests", "benches"] {
        let dir = root().join(dir);
        if dir.exists() {
            walk(&dir, &mut found);
        }
    }
    assert!(found.len() > 80, "the walk finds the sources");
    found
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The rooms that a source names, with the line of each.
fn named_rooms(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in source.code().lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            found.push((number + 1, rest[..end.unwrap_or(rest.len())].to_owned()));
        }
    }
    found
}

fn layer_complaints(source: &Source) -> Vec<String> {
    let Some((room, may)) = LAYERS
        .iter()
        .find(|(room, _)| source.room() == Some(*room))
        .copied()
    else {
        return Vec::new();
    };
    let is_known = |name: &str| LAYERS.iter().any(|(room, _)| *room == name) || name == "app";
    let wrong = |(_, name): &(usize, String)| {
        is_known(name) && name != room && !may.contains(&name.as_str())
    };
    let tell = |(line, name)| format!("{}:{line}: {room} must not name {name}", source.path);
    named_rooms(source)
        .into_iter()
        .filter(wrong)
        .map(tell)
        .collect()
}

#[test]
fn layers_name_only_what_is_below_them() {
    let complaints: Vec<String> = sources().iter().flat_map(layer_complaints).collect();
    assert_none(&complaints);
}

fn size_complaints(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        complaints.push(format!("{}: {lines} lines", source.path));
    }
    for (number, line) in source.text.lines().enumerate() {
        if line.chars().count() > COLUMNS_MAX && !line.contains("://") && !line.contains('"') {
            complaints.push(format!("{}:{}: too long a line", source.path, number + 1));
        }
    }
    complaints
}

#[test]
fn files_and_lines_are_short() {
    let complaints: Vec<String> = sources().iter().flat_map(size_complaints).collect();
    assert_none(&complaints);
}

/// Functions that are too long, by indentation: what opens with `fn` ends at the next closing
/// brace of the same depth.
fn function_complaints(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut complaints = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        let is_function = ["fn ", "pub fn ", "async fn ", "pub async fn ", "const fn "]
            .iter()
            .any(|start| words.starts_with(start))
            || (words.starts_with("pub(") && words.contains(" fn "));
        // One that ends on its own line, or has no body, is short.
        if !is_function || line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        let end = format!("{}}}", " ".repeat(indent));
        let length = lines[number..].iter().position(|l| **l == end).unwrap_or(0) + 1;
        if length > FUNCTION_LINES_MAX {
            complaints.push(format!("{}:{}: {length} lines", source.path, number + 1));
        }
    }
    complaints
}

#[test]
fn functions_are_short() {
    let complaints: Vec<String> = sources().iter().flat_map(function_complaints).collect();
    assert_none(&complaints);
}

fn banned_complaints(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (number, line) in source.code().lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (word, may) in BANNED {
            let is_allowed = may.iter().any(|place| source.path.starts_with(place));
            if line.contains(word) && !is_allowed {
                complaints.push(format!("{}:{}: {word}", source.path, number + 1));
            }
        }
    }
    complaints
}

#[test]
fn banned_words_stand_nowhere() {
    let complaints: Vec<String> = sources().iter().flat_map(banned_complaints).collect();
    assert_none(&complaints);
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = sources();
    let silent = all.iter().filter(|source| !source.text.starts_with("//!"));
    let complaints: Vec<String> = silent.map(|source| source.path.clone()).collect();
    assert_none(&complaints);
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_documents_are_there_and_in_step_with_the_code() {
    for path in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "deny.toml",
        "justfile",
        "config/hookherd.toml",
        "systemd/hookherd.service",
        "docs/api.md",
        "docs/openapi.json",
    ] {
        assert!(!read(path).is_empty(), "{path}");
    }
    assert!(read("ARCHITECTURE.md").lines().count() < 200);
    let documented = read("docs/metrics.md");
    for metric in hookherd::telemetry::metrics::METRICS {
        let row = documented
            .lines()
            .find(|line| line.contains(&format!("`{}`", metric.name)));
        let row = row.unwrap_or_else(|| panic!("docs/metrics.md lacks {}", metric.name));
        assert!(
            row.contains(metric.help),
            "docs/metrics.md differs at {}",
            metric.name
        );
    }
    let rows = documented
        .lines()
        .filter(|line| line.starts_with("| `"))
        .count();
    assert_eq!(rows, hookherd::telemetry::metrics::METRICS.len());
}

#[test]
fn the_readme_has_exactly_two_commands_for_a_fresh_machine() {
    let readme = read("README.md");
    let from = readme
        .find("## Two commands")
        .expect("the section is there");
    let block = readme[from..].split("```").nth(1).expect("it has a block");
    let commands = block.lines().filter(|line| !line.trim().is_empty()).count();
    assert_eq!(commands, 2);
    assert!(
        read(".ci/run").contains("\n./test\n"),
        "CI calls the same test command"
    );
}

fn made_up(path: &str, text: &str) -> Source {
    Source {
        path: path.into(),
        text: text.into(),
    }
}

#[test]
fn each_rule_catches_what_breaks_it() {
    let layer = made_up("src/domain/x.rs", "use crate::store::Store;\n");
    assert_eq!(layer_complaints(&layer).len(), 1);
    let fine = made_up(
        "src/actor/x.rs",
        "use crate::store::Store;\n// crate::api\n",
    );
    assert_eq!(layer_complaints(&fine).len(), 0);
    let long = made_up("src/x.rs", &"x\n".repeat(501));
    assert_eq!(size_complaints(&long).len(), 1);
    let wide = made_up("src/x.rs", &"x".repeat(101));
    assert_eq!(size_complaints(&wide).len(), 1);
    let function = format!("fn long() {{\n{}}}\n", "    x;\n".repeat(70));
    assert_eq!(
        function_complaints(&made_up("src/x.rs", &function)).len(),
        1
    );
    let short = "fn short() {\n    x;\n}\n";
    assert_eq!(function_complaints(&made_up("src/x.rs", short)).len(), 0);
    for (word, _) in BANNED {
        let source = made_up("src/x.rs", &format!("let y = {word};\n"));
        assert_eq!(banned_complaints(&source).len(), 1, "{word}");
        let test = format!("#[cfg(test)]\nmod tests {{\n let y = {word};\n}}\n");
        assert_eq!(
            banned_complaints(&made_up("src/x.rs", &test)).len(),
            0,
            "{word}"
        );
    }
}
