//! The provider, as the command line takes it.

use crate::domain::repo::ProviderKind;

/// Parses the name of a provider. A repository in its place gets an error of its own.
pub(super) fn parse(text: &str) -> Result<ProviderKind, String> {
    let text = text.trim();
    match text.to_ascii_lowercase().parse() {
        Ok(provider) => Ok(provider),
        Err(_) if text.contains('/') => Err(format!(
            "the provider comes first: `github {text}` or `gitlab {text}`"
        )),
        Err(_) => Err("expected github or gitlab".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_in_the_place_of_a_provider_is_told() {
        assert_eq!(parse(" GitHub\n"), Ok(ProviderKind::Github));
        assert!(parse("octo/app").unwrap_err().contains("github octo/app"));
        assert!(
            parse("gitea")
                .unwrap_err()
                .contains("expected github or gitlab")
        );
    }
}
