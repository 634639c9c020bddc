//! Files that import each other in a circle.
//!
//! An import leads to the file that defines the name: a module that only hands a name on is seen
//! through, and declaring a child is no import of it. What ships counts, not what tests add.

use super::source::{Source, is_word};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A module path from the root of the crate.
type Module = Vec<String>;

/// An import: the path as it stands, the name it is known by here, and whether it is handed on.
struct Import {
    path: Vec<String>,
    name: String,
    is_handed_on: bool,
}

struct File<'a> {
    source: &'a Source,
    module: Module,
    imports: Vec<Import>,
    /// The code without its `use` items.
    rest: String,
}

fn module_of(path: &str) -> Option<Module> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut parts: Module = path.split('/').map(str::to_owned).collect();
    let last = parts.last().map(String::as_str);
    if last == Some("lib") || (parts.len() == 1 && last == Some("main")) {
        parts.pop();
    }
    Some(parts)
}

/// The parts of a group, split at the commas of its own level.
fn parts(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (index, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                found.push(&group[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    found.push(&group[start..]);
    found
}

/// Takes a tree of imports apart.
fn expand(prefix: &[String], tree: &str, is_handed_on: bool, into: &mut Vec<Import>) {
    let tree = tree.trim();
    let words = |text: &str| -> Vec<String> {
        let words = text.split("::").map(str::trim).filter(|w| !w.is_empty());
        words.map(str::to_owned).collect()
    };
    if let Some((head, group)) = tree.split_once('{') {
        let prefix = [prefix, &words(head)].concat();
        let group = group.trim_end().strip_suffix('}').unwrap_or(group);
        for part in parts(group) {
            expand(&prefix, part, is_handed_on, into);
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut path = [prefix, &words(path)].concat();
    if path.last().is_some_and(|word| word == "self") && path.len() > 1 {
        path.pop();
    }
    let Some(last) = path.last().cloned() else {
        return;
    };
    let alias = alias.trim();
    let name = if alias.is_empty() {
        last
    } else {
        alias.to_owned()
    };
    into.push(Import {
        path,
        name,
        is_handed_on,
    });
}

/// The `use` items of a file, and its code without them.
fn imports(code: &str) -> (Vec<Import>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut at = 0;
    while let Some(start) = code[at..].find("use ").map(|index| at + index) {
        let line = code[..start].rfind('\n').map_or(0, |index| index + 1);
        let before = code[line..start].trim();
        let is_item = before.is_empty() || before == "pub" || before.starts_with("pub(");
        let end = code[start..].find(';').map(|index| start + index);
        let (true, Some(end)) = (is_item, end) else {
            rest.push_str(&code[at..start + 4]);
            at = start + 4;
            continue;
        };
        rest.push_str(&code[at..start]);
        expand(&[], &code[start + 4..end], !before.is_empty(), &mut found);
        at = end + 1;
    }
    rest.push_str(&code[at..]);
    (found, rest)
}

/// The paths of at least two words in code.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (index, _) in code.match_indices("::") {
        let bytes = code.as_bytes();
        let start = code[..index]
            .bytes()
            .rev()
            .take_while(|b| is_word(*b))
            .count();
        let start = index - start;
        // Only where a path begins: what stands behind `::` is a part of an earlier one. How far a
        // name is seen, `pub(in path)`, is no import.
        let is_part = [&b"::"[..], b"(in "]
            .iter()
            .any(|b| bytes[..start].ends_with(b));
        if start == index || is_part {
            continue;
        }
        let whole = code[start..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        let path = whole.into_iter().next().unwrap_or_default();
        let words = path.split("::").filter(|word| !word.is_empty());
        found.push(words.map(str::to_owned).collect());
    }
    found
}

fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(index, _)| {
        let before = code[..index].bytes().next_back();
        let after = code[index + word.len()..].bytes().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

struct House<'a> {
    files: Vec<File<'a>>,
    by_module: BTreeMap<Module, usize>,
}

impl<'a> House<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let mut files = Vec::new();
        for source in sources {
            let Some(module) = module_of(&source.path) else {
                continue;
            };
            let (imports, rest) = imports(&source.shipped);
            let is_declaration = |line: &&str| line.contains("mod ") && line.ends_with(';');
            let rest = rest.lines().filter(|line| !is_declaration(line));
            let rest = rest.collect::<Vec<_>>().join("\n");
            files.push(File {
                source,
                module,
                imports,
                rest,
            });
        }
        let places = files.iter().enumerate();
        let by_module = places.map(|(at, file)| (file.module.clone(), at)).collect();
        Self { files, by_module }
    }

    /// The file that a path leads to from a file.
    fn target(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        let here = &self.files[from].module;
        let (mut module, mut words) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (here.clone(), &path[1..]),
            "super" => (here[..here.len().checked_sub(1)?].to_vec(), &path[1..]),
            first => {
                let child = [here.as_slice(), &[first.to_owned()]].concat();
                self.by_module.get(&child)?;
                (here.clone(), path)
            }
        };
        while words.first().is_some_and(|word| word == "super") {
            module.pop()?;
            words = &words[1..];
        }
        while let Some(word) = words.first() {
            let child = [module.as_slice(), std::slice::from_ref(word)].concat();
            if !self.by_module.contains_key(&child) {
                break;
            }
            module = child;
            words = &words[1..];
        }
        let file = *self.by_module.get(&module)?;
        let name = words.first();
        let handed_on = (self.files[file].imports.iter())
            .find(|import| import.is_handed_on && Some(&import.name) == name);
        match handed_on {
            Some(import) if depth < 8 => self.target(file, &import.path, depth + 1),
            Some(_) | None => Some(file),
        }
    }

    /// What each file imports.
    fn arrows(&self) -> Vec<BTreeSet<usize>> {
        let mut arrows = Vec::new();
        for (at, file) in self.files.iter().enumerate() {
            let used = (file.imports.iter())
                .filter(|import| !import.is_handed_on || has_word(&file.rest, &import.name))
                .map(|import| import.path.clone());
            let targets = used.chain(paths(&file.rest));
            let targets = targets.filter_map(|path| self.target(at, &path, 0));
            arrows.push(targets.filter(|target| *target != at).collect());
        }
        arrows
    }
}

/// Where the arrows lead to from a file, at last.
fn reach(arrows: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        open.extend(arrows[at].iter().filter(|next| seen.insert(**next)));
    }
    seen
}

/// The circles, each with its files and what ties them.
pub fn circles(sources: &[Source]) -> Vec<String> {
    let house = House::new(sources);
    let arrows = house.arrows();
    let reached: Vec<_> = (0..arrows.len()).map(|at| reach(&arrows, at)).collect();
    let (mut found, mut told) = (Vec::new(), BTreeSet::new());
    for at in 0..house.files.len() {
        if !reached[at].contains(&at) || told.contains(&at) {
            continue;
        }
        let circle = reached[at]
            .iter()
            .filter(|other| reached[**other].contains(&at));
        let circle: BTreeSet<usize> = circle.copied().collect();
        let name = |at: usize| house.files[at].source.path.as_str();
        let mut words = format!("{} files import in a circle:\n", circle.len());
        for from in &circle {
            for to in arrows[*from].intersection(&circle) {
                let _ = writeln!(words, "  {} -> {}", name(*from), name(*to));
            }
        }
        told.extend(circle);
        found.push(words);
    }
    found
}
