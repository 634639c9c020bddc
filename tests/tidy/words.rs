//! Wording: phrases that `docs/style.md` rules out, in the rooms and documents that are clean.

use super::rules::at;
use super::source::{Source, is_word, pieces};

/// What must not be written, and what to write instead.
const BANNED: &[(&str, &str)] = &[
    ("anew", "again"),
    ("whoever", "name the person"),
    ("somebody", "name the person"),
    ("nobody", "name the person"),
    ("anybody", "name the person"),
    ("everybody", "name the persons"),
    ("told", "reported, shown, received"),
    ("tells", "reports, shows"),
    ("goes on", "continues"),
    ("go on", "continue"),
    ("going on", "in progress"),
    ("looked after", "checked, managed"),
    ("looks after", "checks, manages"),
    ("came of", "the result"),
    ("at the moment", "now, or leave it out"),
    ("in vain", "without success"),
    ("for good", "permanently"),
    ("all the same", "still, or leave it out"),
    ("set aside", "dead letter"),
    ("is over", "has expired, has ended"),
    ("are over", "have expired, have ended"),
    ("mend", "correct, repair, resolve"),
    ("mends", "corrects, repairs, resolves"),
    ("mended", "corrected, repaired, resolved"),
    ("please", "leave it out"),
];

/// Rooms whose texts for people (string literals) are clean. The list grows until it has all. What
/// the simulator says are the providers' own words.
const LITERALS: &[&str] = &[
    "actor",
    "api",
    "app",
    "cli",
    "config",
    "credentials",
    "domain",
    "notify",
    "provider",
    "seal",
    "store",
    "telemetry",
];

/// Rooms whose comments are clean, too.
const COMMENTS: &[&str] = &[
    "actor",
    "api",
    "app",
    "cli",
    "config",
    "credentials",
    "domain",
    "notify",
    "provider",
    "seal",
    "simulator",
    "store",
    "telemetry",
];

/// Documents that are clean, and whole folders of them.
pub const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "config/hookherd.toml",
    "docs/adr/",
    "docs/api.md",
    "docs/cli.md",
    "docs/github.md",
    "docs/gitlab.md",
    "docs/install.md",
    "docs/metrics.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/simulate.md",
    "systemd/hookherd.service",
];

/// The phrases that stand in `text[from..to]`, each with its place.
fn found(source: &Source, from: usize, to: usize) -> Vec<String> {
    let text = source.text[from..to].to_ascii_lowercase();
    let is_part = |at: Option<&u8>| at.is_some_and(|byte| is_word(*byte));
    let mut complaints = Vec::new();
    for (phrase, instead) in BANNED {
        for (index, _) in text.match_indices(phrase) {
            let before = index.checked_sub(1).and_then(|i| text.as_bytes().get(i));
            let after = text.as_bytes().get(index + phrase.len());
            if !is_part(before) && !is_part(after) {
                let what = format!("{phrase:?}: {instead} (docs/style.md)");
                complaints.push(at(source, from + index, &what));
            }
        }
    }
    complaints
}

/// What stands in the comments, or in the literals, of the code up to an index.
fn parts(source: &Source, to: usize, is_meant: impl Fn(bool) -> bool) -> Vec<String> {
    pieces(&source.text)
        .into_iter()
        .filter(|(from, _)| *from < to && is_meant(source.text[*from..].starts_with('/')))
        .flat_map(|(from, to)| found(source, from, to))
        .collect()
}

/// Phrases that must not stand in what people read.
pub fn words(source: &Source) -> Vec<String> {
    let whole = source.text.len();
    if DOCUMENTS.iter().any(|path| source.path.starts_with(path)) {
        return found(source, 0, whole);
    }
    // Tidy names the phrases themselves.
    if source.path.starts_with("tests/") && !source.path.starts_with("tests/tidy/") {
        return parts(source, whole, |is_comment| is_comment);
    }
    let Some(layer) = source.layer().filter(|_| !source.shipped.is_empty()) else {
        return Vec::new();
    };
    // Tests stand at the end of their file.
    let tests = source.code.find("#[cfg(test)]\nmod tests {");
    parts(source, tests.unwrap_or(whole), |is_comment| {
        (if is_comment { COMMENTS } else { LITERALS }).contains(&layer)
    })
}
