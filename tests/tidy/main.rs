//! The house rules, checked: layers, sizes, banned words, and lists in step with their docs.
//!
//! Each rule is first tried on a snippet that breaks it, so that a rule that sees nothing fails.

mod circles;
mod rules;
mod source;
mod words;

use hookherd::telemetry::Limit;
use hookherd::telemetry::metric::{Kind, METRICS};
use source::{Source, files};
use std::fmt::Write as _;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rust() -> Vec<Source> {
    let mut sources = files(root(), "src", ".rs");
    assert!(sources.len() > 80, "the walk finds the sources");
    sources.extend(files(root(), "tests", ".rs"));
    sources
}

fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn check(rule: fn(&Source) -> Vec<String>) {
    none(&rust().iter().flat_map(rule).collect::<Vec<_>>());
}

#[test]
fn layers_import_only_what_they_may() {
    check(rules::layers);
}

#[test]
fn no_file_imports_in_a_circle() {
    let sources = files(root(), "src", ".rs");
    none(&circles::circles(&sources));
}

#[test]
fn a_circle_is_seen() {
    let house = |texts: &[(&str, &str)]| {
        let texts = texts.iter().map(|(path, text)| Source::new(path, text));
        circles::circles(&texts.collect::<Vec<_>>()).len()
    };
    let face = ("src/api.rs", "mod a;\nmod b;\npub use a::A;\n");
    // A face that hands names on ties nothing together.
    assert_eq!(
        house(&[
            face,
            ("src/api/a.rs", ""),
            ("src/api/b.rs", "use super::A;")
        ]),
        0
    );
    // Through the face all the same.
    let back = ("src/api/a.rs", "use super::b::B;");
    assert_eq!(house(&[face, back, ("src/api/b.rs", "use super::A;")]), 1);
    // A child that needs what its parent defines, and a parent that uses the child.
    let child = ("src/api/a.rs", "fn f(_: super::Shared) {}");
    assert_eq!(
        house(&[("src/api.rs", "mod a;\nfn g() { a::f(); }"), child]),
        1
    );
    assert_eq!(house(&[("src/api.rs", "mod a;\nfn g() {}"), child]), 0);
    let same = ("src/api.rs", "mod a;\npub use a::a;\nstruct Shared;");
    assert_eq!(house(&[same, child]), 0);
    let seen = ("src/api/a.rs", "pub(in crate::api) fn f() {}");
    assert_eq!(
        house(&[("src/api.rs", "mod a;\nfn g() { a::f(); }"), seen]),
        0
    );
    // A group, an alias, three files, and what is for tests only.
    let (face, first) = (
        ("src/api.rs", ""),
        "use crate::api::{b::{self, X}, Y as Z};",
    );
    let ring = [
        ("src/api/a.rs", first),
        ("src/api/b.rs", "fn f() { crate::api::c::go(); }"),
    ];
    let handed = "pub(super) use super::a::A;\nfn f(_: A) {}";
    let last = ("src/api/c.rs", handed);
    assert_eq!(house(&[face, ring[0], ring[1], last]), 1);
    let tested = ("src/api/c.rs", "#[cfg(test)]\nuse super::a::A;\nfn f() {}");
    assert_eq!(house(&[face, ring[0], ring[1], tested]), 0);
}

#[test]
fn banned_words_do_not_ship() {
    check(rules::banned);
}

#[test]
fn files_functions_and_lines_are_short() {
    check(rules::sizes);
}

#[test]
fn every_file_says_what_it_is_for() {
    check(rules::opening);
}

#[test]
fn modules_have_one_style() {
    check(rules::modules);
}

#[test]
fn matches_on_our_enums_name_every_variant() {
    let sources = files(root(), "src", ".rs");
    let mut enums = rules::enums(&sources);
    enums.push("Self".to_owned());
    assert!(enums.iter().any(|name| name == "Phase"));
    let all = sources
        .iter()
        .flat_map(|source| rules::wildcards(source, &enums));
    none(&all.collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let mut sources = rust();
    for (dir, ending) in [("docs", ""), ("config", ""), ("systemd", ""), (".ci", "")] {
        sources.extend(files(root(), dir, ending));
    }
    for file in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "test",
    ] {
        sources.push(Source::new(file, &read(file)));
    }
    none(&sources.iter().flat_map(rules::places).collect::<Vec<_>>());
}

#[test]
fn clean_rooms_and_documents_keep_to_the_style_guide() {
    check(words::words);
    for document in words::DOCUMENTS {
        let (dir, name) = document.rsplit_once('/').unwrap_or(("", document));
        let found = if name.is_empty() {
            files(root(), dir, ".md")
        } else {
            vec![Source::new(document, &read(document))]
        };
        none(&found.iter().flat_map(words::words).collect::<Vec<_>>());
    }
}

#[test]
fn each_rule_sees_what_breaks_it() {
    type Rule = fn(&Source) -> Vec<String>;
    let long = format!("//! x\nfn f() {{\n{}}}\n", "    g();\n".repeat(70));
    let huge = "//! x\n".repeat(501);
    let wide = format!("//! {}\n", "x".repeat(97));
    let path = format!("//! {}\n", concat!("/ro", "ot/x"));
    let table: [(Rule, &str, &str); 26] = [
        (rules::layers, "src/domain/x.rs", "use crate::store::Store;"),
        (rules::layers, "src/store/x.rs", "use crate::seal::Seal;"),
        (
            rules::layers,
            "src/config.rs",
            "fn f() { crate::app::go() }",
        ),
        (rules::layers, "src/api/x.rs", "use crate::{app, domain};"),
        (
            rules::layers,
            "src/simulator/x.rs",
            "use crate::provider::github::X;",
        ),
        (rules::banned, "src/api/x.rs", "fn f() { x().unwrap(); }"),
        (rules::banned, "src/api/x.rs", "fn f() { println!(); }"),
        (
            rules::banned,
            "src/actor/x.rs",
            "fn f() { SystemTime::now(); }",
        ),
        (rules::banned, "src/store/x.rs", "use sled::Db;"),
        (rules::banned, "src/store/x.rs", "use bincode::Encode;"),
        (rules::banned, "src/x.rs", "#[allow(dead_code)]\nfn f() {}"),
        (
            rules::banned,
            "src/x.rs",
            "#[cfg(test)]\nmod tests { fn f() { thread::sleep(x) } }",
        ),
        (rules::banned, "tests/x.rs", "#[test]\n#[ignore]\nfn f() {}"),
        (rules::banned, "src/domain/x.rs", "async fn f() {}"),
        (rules::banned, "src/domain/x.rs", "use serde::Serialize;"),
        (rules::sizes, "src/x.rs", &long),
        (rules::sizes, "src/x.rs", &huge),
        (rules::sizes, "src/x.rs", &wide),
        (rules::opening, "src/x.rs", "fn f() {}"),
        (rules::modules, "src/x/mod.rs", "//! x"),
        (rules::places, "docs/x.md", &path),
        (
            words::words,
            "src/provider/x.rs",
            "fn f() { \"it is made anew\" }",
        ),
        (words::words, "src/seal/x.rs", "/// Tells whether it fits."),
        (
            words::words,
            "tests/e2e/x.rs",
            "// It is made anew.\nf(\"anew\");",
        ),
        (words::words, "docs/adr/x.md", "The deletion goes on."),
        (
            words::words,
            "config/hookherd.toml",
            "# Empty: nobody signs in.",
        ),
    ];
    for (rule, path, text) in table {
        let complaints = rule(&Source::new(path, text));
        assert_eq!(complaints.len(), 1, "{path}: {text}: {complaints:?}");
    }
}

#[test]
fn a_wildcard_beside_variants_of_ours_is_seen() {
    let wild = "fn f() { match x {\n Phase::Idle => 1,\n _ => 2,\n} }";
    let enums = rules::enums(&[Source::new("src/x.rs", "pub enum Phase { Idle }")]);
    assert_eq!(
        rules::wildcards(&Source::new("src/x.rs", wild), &enums).len(),
        1
    );
    let foreign = "fn f() { match x {\n Other::Idle => Phase::Idle,\n _ => 2,\n} }";
    assert!(rules::wildcards(&Source::new("src/x.rs", foreign), &enums).is_empty());
}

#[test]
fn what_is_no_code_breaks_no_rule() {
    let text = "// x.unwrap()\nfn f<'a>(x: &'a str) {\n\
                \"y.unwrap()\"; r#\" \" println!\"#; '\"'; }\n\
                #[cfg(test)]\nmod tests { fn g() { x.unwrap(); } }\n";
    let complaints = rules::banned(&Source::new("src/api/x.rs", text));
    assert!(complaints.is_empty(), "{complaints:?}");
    let after = "#[cfg(test)]\nmod tests;\nfn f() { '}'; x.unwrap(); }\n";
    assert_eq!(rules::banned(&Source::new("src/api/x.rs", after)).len(), 1);
}

#[test]
fn the_documented_metrics_are_the_metrics() {
    let mut rows = String::new();
    for metric in METRICS {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let (name, help, labels) = (metric.name, metric.help, labels.join(", "));
        let _ = writeln!(rows, "| `{name}` | {kind} | {labels} | {help} |");
    }
    let documented = read("docs/metrics.md");
    let found = documented
        .lines()
        .filter(|line| line.starts_with("| `hookherd_"));
    let found: Vec<_> = found.collect();
    assert_eq!(
        found,
        rows.lines().collect::<Vec<_>>(),
        "docs/metrics.md should have these rows:\n{rows}"
    );
}

#[test]
fn every_limit_is_explained() {
    let text = read("docs/operations.md");
    let from = text.find("\n## Limits\n").expect("the chapter is there");
    let chapter = &text[from..];
    let chapter = &chapter[..chapter.find("\n## Who a request").expect("it ends")];
    for limit in Limit::ALL {
        let cell = format!("| `{}` |", limit.as_str());
        assert!(chapter.contains(&cell), "no row ends in {cell}");
    }
    let example = read("config/hookherd.toml");
    let section = example.split("\n[limits]\n").nth(1).expect("it is there");
    let section = section.split("\n[").next().unwrap_or_default();
    for line in section.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, _)) = line.split_once(" =") {
            let cell = format!("| `limits.{key}` |");
            assert!(chapter.contains(&cell), "no row has {cell}");
        }
    }
}

#[test]
fn metrics_are_named_as_prometheus_wants() {
    for metric in METRICS {
        let name = metric.name;
        assert!(name.starts_with("hookherd_"), "{name}");
        assert_eq!(
            name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{name}"
        );
        assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
        let units = ["_seconds", "_batches", "_bytes"];
        let has_unit = units.iter().any(|unit| name.ends_with(unit));
        assert!(metric.kind != Kind::Histogram || has_unit, "{name}");
    }
}

#[test]
fn the_readme_has_exactly_two_commands_for_a_fresh_machine() {
    let readme = read("README.md");
    let from = readme
        .find("## Two commands")
        .expect("the section is there");
    let block = readme[from..].split("```").nth(1).expect("it has a block");
    assert_eq!(
        block.lines().filter(|line| !line.trim().is_empty()).count(),
        2
    );
    let ci = read(".ci/run");
    assert!(
        ci.lines().any(|line| line == "./test"),
        "CI calls the same test command"
    );
}

#[test]
fn the_documents_are_there() {
    for path in [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "deny.toml",
        "justfile",
        "systemd/hookherd.service",
        "docs/api.md",
        "docs/openapi.json",
    ] {
        assert!(!read(path).is_empty(), "{path}");
    }
}

/// One licence, in every place that names one.
#[test]
fn the_licence_is_the_same_everywhere() {
    const NAME: &str = "MIT";
    let text = read("LICENSE-MIT");
    assert!(text.starts_with("MIT License\n"), "{text}");
    let others: Vec<_> = std::fs::read_dir(root())
        .expect("the root is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("LICEN") || name.starts_with("COPYING"))
        .collect();
    assert_eq!(others, ["LICENSE-MIT"]);
    for (path, says) in [
        ("Cargo.toml", format!("\nlicense = \"{NAME}\"\n")),
        ("README.md", format!("\nLicence: [{NAME}](LICENSE-MIT).\n")),
        ("docs/openapi.json", format!("\"name\": \"{NAME}\"")),
        (
            "tests/interop/package.json",
            format!("\"license\": \"{NAME}\""),
        ),
        (
            "benches/peers/package.json",
            format!("\"license\": \"{NAME}\""),
        ),
    ] {
        assert!(read(path).contains(&says), "{path} should say {says}");
    }
    let shown = read("docs/openapi.json");
    let (_, licence) = shown.split_once("\"license\"").expect("it names one");
    let licence = licence.split('}').next().unwrap_or_default();
    assert!(!licence.contains("Apache"), "{licence}");
}

#[test]
fn every_key_of_the_configuration_is_explained() {
    let text = read("config/hookherd.toml");
    let mut is_explained = false;
    for line in text.lines() {
        if line.starts_with('#') {
            is_explained = true;
        } else if line.is_empty() || line.starts_with('[') {
            is_explained = false;
        } else {
            // A pair such as first and longest shares its comment.
            assert!(is_explained, "{line}");
        }
    }
}

#[test]
fn the_map_of_the_house_fits_in_a_sitting() {
    let text = read("ARCHITECTURE.md");
    assert!(text.lines().count() < 200);
    for source in files(root(), "src", ".rs") {
        let Some(layer) = source
            .layer()
            .filter(|layer| !["main", "lib"].contains(layer))
        else {
            continue;
        };
        assert!(
            text.contains(&format!("`{layer}`")),
            "{layer} is not on the map"
        );
    }
}
