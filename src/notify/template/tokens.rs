//! What a template may be made of, checked before it is parsed.
//!
//! Without lists, maps, loops and attributes, all values are short texts and numbers, so each step
//! takes as long as its texts, which fuel counts. And with few tokens in a tag and few tags, no
//! recursion of the parser is deep.

use super::fault::TemplateError;
use minijinja::machinery::{Token as Lexeme, tokenize};
use minijinja::syntax::SyntaxConfig;

/// Most tags.
const TAGS_MAX: usize = 100;
/// Most tokens in a tag.
const TOKENS_MAX: usize = 100;
/// The tags that there are.
const TAGS: [&str; 6] = ["if", "elif", "else", "endif", "set", "endset"];
/// Words after which a parenthesis begins no call.
const OPERATORS: [&str; 9] = ["if", "elif", "else", "and", "or", "not", "in", "is", "set"];

/// How templates are written. A tag that stands alone on its line leaves no blank line.
pub(super) fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    syntax.build().expect("the usual delimiters")
}

/// The token before another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The begin of a tag that is no value.
    Tag,
    /// A name, which a parenthesis calls.
    Name,
    /// Anything else.
    Other,
}

/// Whether a token can make a list, or looks into one.
const fn is_refused(token: &Lexeme<'_>) -> bool {
    matches!(
        token,
        Lexeme::BracketOpen
            | Lexeme::BraceOpen
            | Lexeme::Mul
            | Lexeme::Pow
            | Lexeme::Dot
            | Lexeme::Comma
    )
}

/// What a token is to the one after it.
fn before(token: &Lexeme<'_>) -> Before {
    match token {
        Lexeme::BlockStart => Before::Tag,
        Lexeme::Ident(name) if !OPERATORS.contains(name) => Before::Name,
        _ => Before::Other,
    }
}

/// Checks the tokens of a template. What has too many of them, or one that could make a list, is
/// refused.
pub(super) fn check(source: &str) -> Result<(), TemplateError> {
    let (mut tags, mut tokens, mut previous) = (0, 0, Before::Other);
    // Whether each open parenthesis is that of a call.
    let mut open = Vec::new();
    for token in tokenize(source, false, syntax()) {
        let (token, span) = token?;
        let refused = |why: String| Err(TemplateError::new(span.start_line.into(), why));
        let is_tag = previous == Before::Tag;
        let is_called = previous == Before::Name;
        previous = before(&token);
        tokens += 1;
        match token {
            Lexeme::TemplateData(_) => tokens = 0,
            Lexeme::VariableStart | Lexeme::BlockStart => {
                (tags, tokens) = (tags + 1, 0);
                open.clear();
            }
            Lexeme::Ident(name) if is_tag && !TAGS.contains(&name) => {
                return refused(format!("there are only the tags {}", TAGS.join(", ")));
            }
            Lexeme::ParenOpen => open.push(is_called),
            Lexeme::ParenClose => drop(open.pop()),
            Lexeme::Comma if open.last() == Some(&true) => {}
            token if is_refused(&token) => return refused(format!("{token} has no meaning here")),
            _ => {}
        }
        if tokens > TOKENS_MAX {
            return refused(format!("a tag has at most {TOKENS_MAX} words and signs"));
        }
        if tags > TAGS_MAX {
            return refused(format!("there are at most {TAGS_MAX} tags"));
        }
    }
    Ok(())
}

/// The first line that has this name.
pub(super) fn line_of(source: &str, name: &str) -> usize {
    let mut tokens = tokenize(source, false, syntax()).filter_map(Result::ok);
    let found = tokens.find(|(token, _)| matches!(token, Lexeme::Ident(it) if *it == name));
    found.map_or(1, |(_, span)| span.start_line.into())
}
