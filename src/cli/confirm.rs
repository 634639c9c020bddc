//! Asking before something is done.

use super::failed::Failed;
use std::io::{BufRead, IsTerminal, Write};

/// Asks on the terminal. Without one it is an error, which says what to use instead.
pub(super) fn agree(question: &str, instead: &str) -> Result<bool, Failed> {
    if !std::io::stdin().is_terminal() {
        return Err(Failed::new(instead));
    }
    let mut answer = String::new();
    write!(std::io::stderr(), "{question} [y/N] ")?;
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
