//! The rules, one function each: what it complains about, as `file:line: what`.

use super::source::{Source, closing, is_word};

/// Who may import whom. `app` puts everything together and may import everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain", "telemetry"]),
    ("seal", &["domain"]),
    ("provider", &["domain", "telemetry"]),
    ("notify", &["domain", "telemetry"]),
    ("telemetry", &["domain"]),
    ("config", &["domain"]),
    (
        "credentials",
        &["domain", "store", "provider", "seal", "telemetry"],
    ),
    (
        "actor",
        &[
            "domain",
            "store",
            "provider",
            "notify",
            "seal",
            "telemetry",
            "credentials",
        ],
    ),
    (
        "ledger",
        &["domain", "store", "provider", "credentials", "telemetry"],
    ),
    (
        "explain",
        &["domain", "store", "provider", "credentials", "telemetry"],
    ),
    ("upkeep", &["domain", "store", "telemetry"]),
    (
        "outbox",
        &["domain", "store", "seal", "notify", "telemetry"],
    ),
    (
        "api",
        &[
            "domain",
            "store",
            "provider",
            "credentials",
            "actor",
            "ledger",
            "notify",
            "outbox",
            "telemetry",
        ],
    ),
    (
        "dashboard",
        &["domain", "store", "provider", "actor", "telemetry", "api"],
    ),
    ("simulator", &["domain", "provider"]),
    // `demo` and `simulate` run the simulator; `simulate` sets up its own logs.
    (
        "cli",
        &["config", "domain", "api", "app", "simulator", "telemetry"],
    ),
];

/// What must not stand in shipped code, where it may all the same, and why not.
const BANNED: &[(&str, &[&str], &str)] = &[
    (".unwrap()", &[], "say why it cannot fail, with expect"),
    ("println!", &["src/cli"], "only the command line prints"),
    ("dbg!", &[], "left over"),
    ("todo!", &[], "unfinished"),
    ("unimplemented!", &[], "unfinished"),
    (
        "#[allow(",
        &[],
        "#[expect(.., reason = ..)] tells when it is no longer needed",
    ),
    (
        "SystemTime::now",
        &[
            "src/app/adapters.rs",
            "src/store/disk/environment.rs",
            "src/simulator",
        ],
        "time is an argument",
    ),
    ("sled::", &["src/store/view"], "only the view says sled"),
    (
        "bincode::",
        &["src/store/record/"],
        "formats live at the edges",
    ),
    ("std::process::exit", &[], "end by returning"),
    ("unsafe {", &[], "no unsafe"),
];

/// What must not stand in the domain: it is pure.
const IMPURE: &[&str] = &[
    "async fn",
    ".await",
    "tokio::",
    "actix",
    "std::fs",
    "std::env",
    "SystemTime",
    "Instant::now",
    "rand::",
    "serde",
    "tracing::",
    "std::thread",
];

const LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
/// Stories in tests are read from top to bottom.
const STORY_LINES_MAX: usize = 100;
const COLUMNS_MAX: usize = 100;

pub fn at(source: &Source, index: usize, what: &str) -> String {
    let line = source.text[..index].matches('\n').count() + 1;
    format!("{}:{line}: {what}", source.path)
}

pub fn layers(source: &Source) -> Vec<String> {
    let Some(layer) = source.layer() else {
        return Vec::new();
    };
    let Some((_, may)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return Vec::new();
    };
    let mut complaints = Vec::new();
    for (index, _) in source.code.match_indices("crate::") {
        let rest = &source.code[index + "crate::".len()..];
        let name = rest
            .split(|c: char| !c.is_ascii() || !is_word(c as u8))
            .next();
        let name = name.unwrap_or_default();
        if name.is_empty() {
            complaints.push(at(source, index, "import rooms of ours one by one"));
        } else if name != layer && name != "histories" && !may.contains(&name) {
            complaints.push(at(source, index, &format!("{layer} must not know {name}")));
        }
        let is_signature = rest.starts_with("provider::signature");
        if layer == "simulator" && name == "provider" && !is_signature {
            complaints.push(at(
                source,
                index,
                "simulator must know only provider::signature",
            ));
        }
    }
    complaints
}

pub fn banned(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (word, may, why) in BANNED {
        let is_allowed = may.iter().any(|start| source.path.starts_with(start));
        if !source.path.starts_with("src/") || is_allowed {
            continue;
        }
        for (index, _) in source.shipped.match_indices(word) {
            // `eprintln!` holds `println!`: both are meant. `my_todo!` is not.
            complaints.push(at(source, index, &format!("{word}: {why}")));
        }
    }
    for (index, _) in source.code.match_indices("#[ignore") {
        complaints.push(at(source, index, "no test is skipped"));
    }
    for (index, _) in source.code.match_indices("thread::sleep") {
        if source.path.starts_with("src/") {
            complaints.push(at(source, index, "wait for a condition, with a deadline"));
        }
    }
    if source.layer() == Some("domain") {
        for word in IMPURE {
            for (index, _) in source.shipped.match_indices(word) {
                complaints.push(at(source, index, &format!("{word}: the domain is pure")));
            }
        }
    }
    complaints
}

pub fn sizes(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        complaints.push(format!(
            "{}: {lines} lines, {LINES_MAX} at most",
            source.path
        ));
    }
    for (number, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX {
            let (path, number) = (&source.path, number + 1);
            complaints.push(format!(
                "{path}:{number}: {columns} columns, {COLUMNS_MAX} at most"
            ));
        }
    }
    for (index, _) in source.code.match_indices("fn ") {
        let is_word_before = index > 0 && is_word(source.code.as_bytes()[index - 1]);
        let rest = &source.code[index..];
        let Some(open) = rest.find(['{', ';']).map(|i| index + i) else {
            continue;
        };
        if is_word_before || source.code.as_bytes()[open] == b';' {
            continue;
        }
        let end = closing(&source.code, open).min(source.code.len());
        let lines = source.code[index..end].matches('\n').count() + 1;
        let most = if source.shipped.is_empty() {
            STORY_LINES_MAX
        } else {
            FUNCTION_LINES_MAX
        };
        if lines > most {
            let what = format!("a function of {lines} lines, {most} at most");
            complaints.push(at(source, index, &what));
        }
    }
    complaints
}

/// Every file says first what it is for.
pub fn opening(source: &Source) -> Vec<String> {
    if source.text.starts_with("//!") || source.text.starts_with("#!") {
        return Vec::new();
    }
    vec![at(source, 0, "say with //! what this file is for")]
}

/// One module style: `x.rs` beside `x/`.
pub fn modules(source: &Source) -> Vec<String> {
    match source.path.strip_suffix("/mod.rs") {
        Some(module) => vec![at(source, 0, &format!("name it {module}.rs"))],
        None => Vec::new(),
    }
}

/// The names of all enums of ours.
pub fn enums(sources: &[Source]) -> Vec<String> {
    let mut names = Vec::new();
    for source in sources {
        for (index, _) in source.shipped.match_indices("enum ") {
            let rest = &source.shipped[index + "enum ".len()..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            let name = &rest[..end];
            // In a macro the name may be a parameter.
            if name.starts_with(|c: char| c.is_ascii_uppercase()) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// Whether a pattern, without its guard, names a variant of an enum.
fn names(pattern: &str, name: &str) -> bool {
    let pattern = pattern.split(" if ").next().unwrap_or(pattern);
    let variant = format!("{name}::");
    pattern.match_indices(&variant).any(|(index, _)| {
        let before = pattern[..index].bytes().next_back();
        before.is_none_or(|byte| !is_word(byte)) && !pattern[..index].ends_with("io::")
    })
}

/// A `_ =>` beside arms that name an enum of ours would swallow variants to come.
pub fn wildcards(source: &Source, enums: &[String]) -> Vec<String> {
    let code = &source.shipped;
    let mut complaints = Vec::new();
    for (open, _) in code.match_indices('{') {
        let end = closing(code, open);
        let mut depth = 0_i32;
        let (mut is_ours, mut wild) = (false, None);
        let mut start = open + 1;
        for line in code[open + 1..end.max(open + 1)].split_inclusive('\n') {
            if depth == 0
                && let Some((pattern, _)) = line.split_once("=>")
            {
                if pattern.trim() == "_" {
                    wild = Some(start);
                }
                is_ours |= enums.iter().any(|name| names(pattern, name));
            }
            for byte in line.bytes() {
                depth += i32::from(byte == b'{') - i32::from(byte == b'}');
            }
            start += line.len();
        }
        if let (true, Some(wild)) = (is_ours, wild) {
            complaints.push(at(source, wild, "_ => beside variants of an enum of ours"));
        }
    }
    complaints
}

/// Names of one machine or of one place of work have no business here.
pub fn places(source: &Source) -> Vec<String> {
    const PLACES: [&str; 3] = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let mut complaints = Vec::new();
    for place in PLACES {
        for (index, _) in source.text.match_indices(place) {
            complaints.push(at(source, index, "a path of one machine"));
        }
    }
    complaints
}
