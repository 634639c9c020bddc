//! Rust source as the rules look at it: which parts are code, and where blocks end.

use std::path::Path;

/// A file of ours.
pub struct Source {
    /// Its path from the root of the project, with `/`.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// The same with comments and literals blanked: same length, same lines.
    pub code: String,
    /// The same without what is compiled for tests only.
    pub shipped: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = mask(text);
        let is_test = path.starts_with("tests/") || path.contains("/tests/");
        let shipped = if is_test || path.ends_with("/tests.rs") {
            String::new()
        } else {
            without_tests(&code)
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            shipped,
        }
    }

    /// The room under `src/`: `store` for `src/store/disk.rs` and for `src/store.rs`.
    pub fn layer(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        Some(rest.split(['/', '.']).next().unwrap_or(rest))
    }
}

/// All files below `dir` that end in `ending`, without what others made.
pub fn files(root: &Path, dir: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut rooms = vec![root.join(dir)];
    while let Some(room) = rooms.pop() {
        for entry in std::fs::read_dir(&room).expect("a directory of ours can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && name != "node_modules" {
                rooms.push(path);
            } else if path.is_file() && name.ends_with(ending) {
                let text = std::fs::read_to_string(&path).expect("a file of ours is text");
                let short = path
                    .strip_prefix(root)
                    .expect("it was found below the root");
                found.push(Source::new(&short.to_string_lossy(), &text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The index behind the literal or comment that starts at `at`, if one does.
fn skipped(text: &[u8], at: usize) -> Option<usize> {
    let rest = &text[at..];
    let find = |from: usize, what: &[u8]| {
        let tail = &text[from.min(text.len())..];
        let place = tail.windows(what.len()).position(|part| part == what);
        place.map_or(text.len(), |place| from + place + what.len())
    };
    if rest.starts_with(b"//") {
        return Some(find(at, b"\n") - 1);
    }
    if rest.starts_with(b"/*") {
        return Some(find(at + 2, b"*/"));
    }
    if rest[0] == b'r'
        && at
            .checked_sub(1)
            .is_none_or(|i| !is_word(text[i]) || text[i] == b'b')
    {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            return Some(find(at + 2 + hashes, &end));
        }
    }
    if rest[0] == b'"' {
        let mut end = at + 1;
        while end < text.len() && text[end] != b'"' {
            end += 1 + usize::from(text[end] == b'\\');
        }
        return Some((end + 1).min(text.len()));
    }
    if rest.starts_with(b"'\\") {
        return Some(find(at + 3, b"'"));
    }
    // A lifetime has no closing quote.
    let is_char = rest[0] == b'\'' && rest.iter().skip(2).take(4).any(|byte| *byte == b'\'');
    let is_lifetime = rest.len() > 2 && is_word(rest[1]) && rest[2] != b'\'';
    (is_char && !is_lifetime).then(|| find(at + 2, b"'"))
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the comments and literals of a source begin and end.
pub fn pieces(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let Some(end) = skipped(bytes, at) else {
            at += 1;
            continue;
        };
        found.push((at, end.max(at)));
        at = end.max(at + 1);
    }
    found
}

fn mask(text: &str) -> String {
    let mut masked = text.as_bytes().to_vec();
    for (from, to) in pieces(text) {
        for byte in &mut masked[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// The index of the brace that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return index,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut shipped = code.to_owned();
    while let Some(start) = shipped.find(MARK) {
        let rest = &shipped[start..];
        let stop = rest.find([';', '{']).map_or(shipped.len(), |i| start + i);
        let end = match shipped.as_bytes().get(stop) {
            Some(b'{') => closing(&shipped, stop),
            Some(_) | None => stop,
        };
        let end = (end + 1).min(shipped.len());
        let blank: String = shipped[start..end]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        shipped.replace_range(start..end, &blank);
    }
    shipped
}
