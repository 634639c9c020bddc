//! The layers of the settings: defaults, file, environment. The defaults are the schema: a setting
//! without a default does not exist, and its type is that of its default.

use super::environment::{Environment, Found};
use super::error::{ConfigError, Origin, nearest};
use super::values::{SECRETS, bad, shown};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use zeroize::Zeroizing;

/// The defaults, each with its explanation.
const DEFAULTS: &str = include_str!("../../config/hookherd.toml");

/// All settings as written, not yet checked.
pub(super) struct Written {
    tree: Map<String, Value>,
    secrets: BTreeMap<String, Zeroizing<String>>,
    origins: BTreeMap<String, Origin>,
    /// Warnings about harmless peculiarities.
    pub(super) warnings: Vec<String>,
}

impl Written {
    /// The defaults, a file with its text, and the environment. Later ones take precedence.
    pub(super) fn read(
        file: Option<(&Path, &str)>,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::new();
        if let Some((path, text)) = file {
            layers.add_file(path, text)?;
        }
        let keys = layers.keys();
        let warnings = environment.strangers(&keys)?;
        for found in environment.settings(&keys)? {
            layers.add(found)?;
        }
        for found in environment.plain()? {
            layers.add(found)?;
        }
        Ok(Self {
            tree: layers.tree,
            secrets: layers.secrets,
            origins: layers.origins,
            warnings,
        })
    }

    /// The settings in their types. The type of a setting says what it expects.
    pub(super) fn typed<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let tree = Value::Object(self.tree.clone());
        serde_path_to_error::deserialize(tree).map_err(|error| {
            let path = error.path().to_string();
            // Of a list it is one item that is wrong.
            let (key, item) = path.split_once('[').unwrap_or((&path, ""));
            let item = item.trim_end_matches(']').parse::<usize>();
            let found = at(&self.tree, key).unwrap_or(&Value::Null);
            let value = item.ok().and_then(|item| found.get(item)).unwrap_or(found);
            bad(key, &text_of(value), &error.inner().to_string())
        })
    }

    /// A value as it was written.
    pub(super) fn shown(&self, key: &str) -> String {
        at(&self.tree, key).map(text_of).unwrap_or_default()
    }

    /// A secret, by its key; `None` when it is unset.
    pub(super) fn secret(&self, key: &str) -> Option<Zeroizing<String>> {
        self.secrets.get(key).cloned()
    }

    /// Says of an error where the value was written.
    pub(super) fn explain(&self, mut error: ConfigError) -> ConfigError {
        if let ConfigError::Value { key, origin, .. } = &mut error {
            *origin = self.origins.get(key).cloned();
        }
        error
    }
}

struct Layers {
    tree: Map<String, Value>,
    secrets: BTreeMap<String, Zeroizing<String>>,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    fn new() -> Self {
        Self {
            tree: toml::from_str(DEFAULTS)
                .expect("it is the same in every build, and tests read it"),
            secrets: BTreeMap::new(),
            origins: BTreeMap::new(),
        }
    }

    /// All settings, as `section.key`.
    fn keys(&self) -> Vec<String> {
        fn collect(tree: &Map<String, Value>, before: &str, keys: &mut Vec<String>) {
            for (name, value) in tree {
                let key = format!("{before}{name}");
                match value {
                    Value::Object(section) => collect(section, &format!("{key}."), keys),
                    _ => keys.push(key),
                }
            }
        }
        let mut keys = Vec::new();
        collect(&self.tree, "", &mut keys);
        keys
    }

    /// A file. Its syntax errors name the line number, not the line, which may hold a secret.
    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or(text).matches('\n').count() + 1;
            let words = error.message().lines().next().unwrap_or_default();
            let written = text.lines().nth(line - 1).unwrap_or_default();
            let hint = quotes(written);
            ConfigError::Read(format!("{}, line {line}: {words}{hint}", path.display()))
        })?;
        let origin = Origin::File(path.to_owned());
        let (keys, sections) = (self.keys(), sections(&self.tree));
        self.add_table(&table, "", &origin, (&keys, &sections))
    }

    fn add_table(
        &mut self,
        table: &toml::Table,
        before: &str,
        origin: &Origin,
        known: (&[String], &[String]),
    ) -> Result<(), ConfigError> {
        let (keys, sections) = known;
        for (name, value) in table {
            let key = format!("{before}{name}");
            if keys.contains(&key) {
                self.add_value(&key, value, origin)?;
            } else if let (true, toml::Value::Table(table)) = (sections.contains(&key), value) {
                self.add_table(table, &format!("{key}."), origin, known)?;
            } else if sections.contains(&key) {
                return Err(ConfigError::Value {
                    value: shown(&key, &plain(value)),
                    expected: format!("a section, [{key}]"),
                    key,
                    origin: Some(origin.clone()),
                });
            } else {
                let all: Vec<String> = keys.iter().chain(sections).cloned().collect();
                return Err(ConfigError::Unknown {
                    nearest: nearest(&key, &all),
                    name: key,
                    origin: Some(origin.clone()),
                });
            }
        }
        Ok(())
    }

    fn add_value(
        &mut self,
        key: &str,
        value: &toml::Value,
        origin: &Origin,
    ) -> Result<(), ConfigError> {
        let text = match value {
            toml::Value::String(text) => text.trim().to_owned(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(switch) => switch.to_string(),
            toml::Value::Array(items) if matches!(at(&self.tree, key), Some(Value::Array(_))) => {
                let items: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
                let items = items.ok_or_else(|| wrong(key, &plain(value), A_LIST, origin))?;
                let value = list(items.into_iter());
                self.put(key, value, origin.clone());
                return Ok(());
            }
            // A number with a decimal point would not keep its form.
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                let expected = match at(&self.tree, key) {
                    Some(Value::Bool(_)) => A_SWITCH,
                    Some(Value::Number(_)) => A_NUMBER,
                    Some(Value::Array(_)) => A_LIST,
                    Some(_) | None => "a string in quotes",
                };
                return Err(wrong(key, &plain(value), expected, origin));
            }
        };
        self.add(Found {
            key: key.to_owned(),
            text: Zeroizing::new(text),
            origin: origin.clone(),
        })
    }

    /// A value from a variable, converted to the type of its setting.
    fn add(&mut self, found: Found) -> Result<(), ConfigError> {
        let Found { key, text, origin } = found;
        if SECRETS.contains(&key.as_str()) {
            self.secrets.remove(&key);
            if !text.is_empty() {
                self.secrets.insert(key.clone(), text);
                self.origins.insert(key, origin);
            }
            return Ok(());
        }
        let taken = match at(&self.tree, &key) {
            Some(Value::Bool(_)) => switch(&text).ok_or(A_SWITCH),
            Some(Value::Number(_)) => whole(&text).ok_or(A_NUMBER),
            Some(Value::Array(_)) => Ok(written_list(&text)),
            Some(_) | None => Ok(Value::String(text.to_string())),
        };
        let value = taken.map_err(|expected| wrong(&key, &text, expected, &origin))?;
        self.put(&key, value, origin);
        Ok(())
    }

    fn put(&mut self, key: &str, value: Value, origin: Origin) {
        let mut names = key.split('.');
        let place = names.next().and_then(|name| self.tree.get_mut(name));
        let place =
            place.and_then(|place| names.try_fold(place, |place, name| place.get_mut(name)));
        if let Some(place) = place {
            *place = value;
            self.origins.insert(key.to_owned(), origin);
        }
    }
}

/// The error for values of other types.
const A_SWITCH: &str = "true or false";
const A_NUMBER: &str = "a whole number, such as 4";
const A_LIST: &str = "a list of strings";

fn at<'a>(tree: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    let mut names = key.split('.');
    let first = tree.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// All sections, as `section.section`.
fn sections(tree: &Map<String, Value>) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in tree {
        if let Value::Object(section) = value {
            all.push(name.clone());
            all.extend(sections(section).into_iter().map(|s| format!("{name}.{s}")));
        }
    }
    all
}

/// A value of the file, as JSON, for display.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::Datetime(at) => at.to_string(),
        _ => serde_json::to_string(value).unwrap_or_default(),
    }
}

fn wrong(key: &str, value: &str, expected: &str, origin: &Origin) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        value: shown(key, value),
        expected: expected.to_owned(),
        origin: Some(origin.clone()),
    }
}

fn switch(text: &str) -> Option<Value> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(Value::Bool(true)),
        "false" | "no" | "off" | "0" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn whole(text: &str) -> Option<Value> {
    let number: u64 = text.replace('_', "").parse().ok()?;
    Some(Value::from(number))
}

/// The error for a line that is not TOML because its text has no quotes.
fn quotes(line: &str) -> &'static str {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim());
    let is_bare = !value.is_empty() && !value.starts_with(['"', '\'', '[', '{']);
    if is_bare && value.parse::<f64>().is_err() {
        ". A text needs quotes: key = \"value\""
    } else {
        ""
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    let items = items.map(str::trim).filter(|item| !item.is_empty());
    Value::from(items.collect::<Vec<_>>())
}

/// A list in one text: a JSON array of texts, else items between commas. Commas in braces and
/// brackets belong to a glob.
fn written_list(text: &str) -> Value {
    if let Ok(items) = serde_json::from_str::<Vec<String>>(text) {
        return list(items.iter().map(String::as_str));
    }
    let mut depth = 0_usize;
    let items = text.split(|c: char| {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    list(items)
}
