//! Templates: the words of a message, made of a small list of names.
//!
//! What a template makes is a text like that of a stranger: it is cleaned and cut here, and each
//! kind of sink escapes it as any other. Its work is bounded by its size: see [`tokens`] and ADR
//! 39.

mod context;
mod fault;
mod filters;
mod samples;
#[cfg(test)]
mod tests;
mod tokens;

pub use context::About;
pub use fault::TemplateError;

use super::card::{TITLE_BYTES_MAX, bounded, lines};
use super::deliver::Unfit;
use super::stored::unfit;
use super::words::Words;
use crate::domain::sink::SinkKind;
use crate::domain::sink::template::{Part, Templates};
use context::Values;
use minijinja::{Environment, UndefinedBehavior, Value};

/// Steps of a template. Each 64 bytes of a text that it makes count as one, too.
const FUEL: u64 = 2_000;

/// What templates can do: nothing but what is named here.
fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::empty();
    environment.set_syntax(tokens::syntax());
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    filters::add(&mut environment);
    environment
}

/// What a template makes.
fn rendered(
    environment: &Environment<'_>,
    source: &str,
    values: Values,
) -> Result<String, TemplateError> {
    let template = environment.template_from_str(source)?;
    Ok(template.render(Value::from(values))?)
}

/// The words of a message, and why a template failed, if one did. Where there is no template, or
/// it fails or makes no text, there are no words, and the usual ones are sent.
pub fn words(templates: &Templates, about: &About<'_>) -> (Words, Option<(Part, TemplateError)>) {
    let (mut words, mut failed) = (Words::default(), None);
    if *templates == Templates::default() {
        return (words, failed);
    }
    let environment = environment();
    for part in Part::ALL {
        let Some(source) = templates.of(part) else {
            continue;
        };
        let render = |()| rendered(&environment, source, about.values());
        let made = tokens::check(source).and_then(render);
        match (made, part) {
            (Ok(text), Part::Title) => words.title = bounded(&text, TITLE_BYTES_MAX),
            (Ok(text), Part::Text) => words.text = lines(&text),
            (Err(error), _) => failed = Some((part, error)),
        }
    }
    (words, failed)
}

/// Checks the templates of a sink: whether its kind takes them, their syntax, their names, and a
/// trial run on samples of each kind of notification.
pub fn check(kind: SinkKind, templates: &Templates) -> Result<(), Unfit> {
    for part in Part::ALL {
        let Some(source) = templates.of(part) else {
            continue;
        };
        let field = part.as_str();
        if !kind.takes_template(part) {
            return Err(unfit(field, refusal(kind)));
        }
        if source.len() > part.bytes_max() {
            let why = format!("expected at most {} bytes", part.bytes_max());
            return Err(unfit(field, why));
        }
        tried(source).map_err(|error| unfit(field, error.to_string()))?;
    }
    Ok(())
}

/// Why a kind does not take a template.
fn refusal(kind: SinkKind) -> String {
    let kind = kind.as_str();
    let why = format!("a sink of the kind {kind} does not take this template");
    format!("{why}, because programs read what it is sent. Leave it out")
}

fn tried(source: &str) -> Result<(), TemplateError> {
    tokens::check(source)?;
    let environment = environment();
    let template = environment.template_from_str(source)?;
    let unknown = template.undeclared_variables(false);
    let mut unknown: Vec<&String> = unknown
        .iter()
        .filter(|name| context::NAMES.iter().all(|(known, _)| known != name))
        .collect();
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        let names: Vec<&str> = context::NAMES.iter().map(|(name, _)| *name).collect();
        let line = tokens::line_of(source, name);
        return Err(TemplateError::unknown(line, name, &names.join(", ")));
    }
    for values in samples::all() {
        rendered(&environment, source, values)?;
    }
    Ok(())
}
