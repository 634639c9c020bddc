//! What templates can do with a text.

use minijinja::{Environment, Error, ErrorKind};

/// Longest text that a filter makes, in bytes.
const MADE_BYTES_MAX: usize = 16_384;

/// Adds the filters and tests.
pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("upper", |text: &str| text.to_uppercase());
    environment.add_filter("lower", |text: &str| text.to_lowercase());
    environment.add_filter("trim", |text: &str| text.trim().to_owned());
    environment.add_filter("default", or_else);
    environment.add_filter("replace", replace);
    environment.add_filter("truncate", truncate);
    environment.add_test("startingwith", |text: &str, with: &str| {
        text.starts_with(with)
    });
    environment.add_test("endingwith", |text: &str, with: &str| text.ends_with(with));
}

/// The text, or another in place of an empty one.
fn or_else(text: &str, other: &str) -> String {
    let is_empty = text.is_empty();
    if is_empty { other } else { text }.to_owned()
}

/// The text with all that is `from` replaced.
fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let made = text.matches(from).count().saturating_mul(to.len());
    if made.saturating_add(text.len()) > MADE_BYTES_MAX {
        let why = "the text that is made is too long";
        return Err(Error::new(ErrorKind::InvalidOperation, why));
    }
    Ok(text.replace(from, to))
}

/// The first characters of a text, with an ellipsis where more follow.
fn truncate(text: &str, characters: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(characters) else {
        return text.to_owned();
    };
    let kept = text[..end].trim_end();
    format!("{kept}\u{2026}")
}
