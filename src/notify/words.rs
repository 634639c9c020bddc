//! The words of a message, where a template of its sink makes them.

/// Texts in place of the usual ones. Cleaned and cut, and not escaped: they may hold texts of
/// strangers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The title.
    pub title: Option<String>,
    /// The lines of the text; an empty one is a blank line.
    pub text: Option<Vec<String>>,
}
