//! JSON with one field changed at a time. The text is written once, with the place of every field
//! noted, so that a change is a splice: there are half a million of them to try.

use serde_json::Value;
use std::fmt::Write;
use std::ops::Range;

/// What a field's value is replaced by: one of each type that JSON has, but for its own.
const VALUES: [&str; 6] = ["null", "true", "7", "\"text\"", "[]", "{}"];

/// A field of an object, at whatever depth.
#[derive(Debug)]
struct Field {
    /// Its path, such as `repository.owner.login`.
    path: String,
    /// Its key, the colon and its value, with the comma that must go with them.
    whole: Range<usize>,
    /// Its value.
    value: Range<usize>,
}

/// A JSON text and where its fields are.
#[derive(Debug, Default)]
pub(crate) struct Document {
    text: String,
    fields: Vec<Field>,
}

impl Document {
    /// The document of a JSON text.
    pub(crate) fn parse(json: &str) -> Self {
        let mut document = Self::default();
        document.write(&serde_json::from_str(json).expect("examples are JSON"), "");
        document
    }

    /// Calls `visit` with what was changed and the changed text, for every field deleted, nulled
    /// and given a value of each other type.
    pub(crate) fn for_each_change(&self, mut visit: impl FnMut(&dyn Fn() -> String, &str)) {
        let mut changed = String::with_capacity(self.text.len() + 16);
        for field in &self.fields {
            let mut splice = |range: &Range<usize>, value: &str, what: &dyn Fn() -> String| {
                changed.clear();
                changed.push_str(&self.text[..range.start]);
                changed.push_str(value);
                changed.push_str(&self.text[range.end..]);
                visit(what, &changed);
            };
            splice(&field.whole, "", &|| format!("{} deleted", field.path));
            let own = kind(&self.text[field.value.clone()]);
            for value in VALUES.into_iter().filter(|value| kind(value) != own) {
                splice(&field.value, value, &|| format!("{} = {value}", field.path));
            }
        }
    }

    fn write(&mut self, value: &Value, path: &str) {
        match value {
            Value::Object(members) => self.write_object(members, path),
            Value::Array(elements) => {
                self.text.push('[');
                for (place, element) in elements.iter().enumerate() {
                    if place > 0 {
                        self.text.push(',');
                    }
                    self.write(element, &format!("{path}[{place}]"));
                }
                self.text.push(']');
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                write!(self.text, "{value}").expect("a String takes everything");
            }
        }
    }

    fn write_object(&mut self, members: &serde_json::Map<String, Value>, path: &str) {
        self.text.push('{');
        for (place, (key, value)) in members.iter().enumerate() {
            // The first field's comma comes after it, every other one's before it.
            let start = self.text.len();
            if place > 0 {
                self.text.push(',');
            }
            write!(self.text, "{}:", Value::String(key.clone())).expect("a String takes all");
            let value_start = self.text.len();
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{key}");
            self.write(value, &path);
            let end = self.text.len();
            let owns_next_comma = place == 0 && members.len() > 1;
            self.fields.push(Field {
                path,
                whole: start..end + usize::from(owns_next_comma),
                value: value_start..end,
            });
        }
        self.text.push('}');
    }
}

/// The type of a JSON value, by the character that it begins with.
fn kind(value: &str) -> char {
    match value.chars().next().expect("a value has characters") {
        't' | 'f' => 'b',
        '-' | '0'..='9' => '0',
        first => first,
    }
}

#[test]
fn every_field_is_changed_once_in_each_way_and_the_text_stays_json() {
    let document = Document::parse(r#"{"a":1,"b":[{"c":"x"},2],"d":{}}"#);
    let mut deleted = Vec::new();
    let mut changes = 0;
    document.for_each_change(|what, changed| {
        let parsed = serde_json::from_str::<Value>(changed);
        assert!(parsed.is_ok(), "{}: {changed}", what());
        changes += 1;
        if what().ends_with("deleted") {
            deleted.push(changed.to_owned());
        }
    });
    // Deleted, and five other types.
    assert_eq!(changes, 4 * 6);
    assert_eq!(
        deleted,
        [
            r#"{"b":[{"c":"x"},2],"d":{}}"#,
            r#"{"a":1,"b":[{},2],"d":{}}"#,
            r#"{"a":1,"d":{}}"#,
            r#"{"a":1,"b":[{"c":"x"},2]}"#,
        ]
    );
}
