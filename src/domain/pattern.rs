//! Names in filters: one name, or a glob pattern for many.

use globset::{GlobBuilder, GlobMatcher};

/// Longest pattern: far above any name, low enough that compiling it costs nothing.
pub const PATTERN_CHARS_MAX: usize = 256;
/// The characters of a pattern. Neither names of repositories nor those of branches have these.
const WILD: [char; 3] = ['*', '?', '['];

/// A text that is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a name, or a pattern with * and ?, of 1 to 256 characters")]
pub struct BadPattern;

/// One name, or a glob pattern; `*` matches slashes too.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    glob: Option<GlobMatcher>,
    is_folded: bool,
}

impl Pattern {
    /// A case-sensitive pattern, for names such as those of branches.
    pub fn exact_case(text: &str) -> Result<Self, BadPattern> {
        Self::new(text, false)
    }

    /// A case-insensitive pattern, for names such as those of repositories.
    pub fn any_case(text: &str) -> Result<Self, BadPattern> {
        Self::new(text, true)
    }

    fn new(text: &str, is_folded: bool) -> Result<Self, BadPattern> {
        if !(1..=PATTERN_CHARS_MAX).contains(&text.chars().count())
            || text.contains(char::is_control)
        {
            return Err(BadPattern);
        }
        let glob = if text.contains(WILD) {
            // Braces may be in names: they have no special meaning here.
            let plain = text.replace('{', "[{]").replace('}', "[}]");
            let glob = GlobBuilder::new(&plain)
                .case_insensitive(is_folded)
                .backslash_escape(false)
                .build();
            Some(glob.map_err(|_| BadPattern)?.compile_matcher())
        } else {
            None
        };
        let text = if is_folded {
            text.to_ascii_lowercase()
        } else {
            text.to_owned()
        };
        Ok(Self {
            text,
            glob,
            is_folded,
        })
    }

    /// The one name that matches, in lower case when case does not count; `None` when more than one
    /// may match.
    pub fn single(&self) -> Option<&str> {
        self.glob.is_none().then_some(self.text.as_str())
    }

    /// Whether a name matches.
    pub fn fits(&self, name: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(name),
            None if self.is_folded => name.eq_ignore_ascii_case(&self.text),
            None => name == self.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_itself_and_a_pattern_many() {
        let name = Pattern::any_case("Acme/API").unwrap();
        assert_eq!(name.single(), Some("acme/api"));
        assert!(name.fits("acme/Api") && !name.fits("acme/api2"));
        let many = Pattern::any_case("Acme/*").unwrap();
        assert_eq!(many.single(), None);
        assert!(many.fits("acme/api") && many.fits("ACME/sub/api") && !many.fits("acme2/api"));
        let branch = Pattern::exact_case("Release/?").unwrap();
        assert!(branch.fits("Release/1") && !branch.fits("release/1"));
        assert!(!branch.fits("Release/10"));
    }

    #[test]
    fn braces_and_backslashes_stand_for_themselves() {
        let braces = Pattern::exact_case("a{b,c}*").unwrap();
        assert!(braces.fits("a{b,c}d") && !braces.fits("ab"));
        assert!(Pattern::exact_case(r"a\*").unwrap().fits(r"a\b"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = "x".repeat(PATTERN_CHARS_MAX + 1);
        for bad in ["", "[", "a[b", "a\nb", &long, "*\u{0}"] {
            assert_eq!(Pattern::any_case(bad).err(), Some(BadPattern), "{bad:?}");
        }
    }
}
