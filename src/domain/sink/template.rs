//! Templates of a sink's messages: which texts of which kind they may replace.

/// Longest template of a title, in bytes.
pub const TITLE_BYTES_MAX: usize = 500;
/// Longest template of a text, in bytes.
pub const TEXT_BYTES_MAX: usize = 2_000;

named! {
    /// A text of a message that a template may replace, by the name of its field.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Part {
        /// The title.
        Title = "title_template",
        /// The lines below it.
        Text = "text_template",
    }
}

impl Part {
    /// Longest template, in bytes.
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Title => TITLE_BYTES_MAX,
            Self::Text => TEXT_BYTES_MAX,
        }
    }
}

/// The templates of a sink. Without one, a text is the same for all sinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    /// Of the title.
    pub title: Option<String>,
    /// Of the text.
    pub text: Option<String>,
}

impl Templates {
    /// The template of a part.
    pub fn of(&self, part: Part) -> Option<&str> {
        match part {
            Part::Title => self.title.as_deref(),
            Part::Text => self.text.as_deref(),
        }
    }
}

/// Which templates change: `None` leaves one as it is, and an empty one removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateEdit {
    /// Of the title.
    pub title: Option<String>,
    /// Of the text.
    pub text: Option<String>,
}

impl TemplateEdit {
    /// The templates after the change.
    pub fn apply(&self, to: &Templates) -> Templates {
        let changed = |new: &Option<String>, old: &Option<String>| match new {
            None => old.clone(),
            Some(new) => (!new.is_empty()).then(|| new.clone()),
        };
        Templates {
            title: changed(&self.title, &to.title),
            text: changed(&self.text, &to.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_sets_changes_removes_or_leaves_each_template() {
        let old = Templates {
            title: Some("a".into()),
            text: Some("b".into()),
        };
        assert_eq!(TemplateEdit::default().apply(&old), old);
        let edit = TemplateEdit {
            title: Some(String::new()),
            text: Some("c".into()),
        };
        let new = edit.apply(&old);
        assert_eq!((new.of(Part::Title), new.of(Part::Text)), (None, Some("c")));
        assert_eq!(edit.apply(&Templates::default()), new);
    }
}
