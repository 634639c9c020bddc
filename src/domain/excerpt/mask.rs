//! Secrets in logs, by their form.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// What is masked whole, by the forms that services give to their tokens; and what is masked after
/// a word that says what it is, in the group `secret`.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        // GitHub, GitLab.
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
        concat!(
            r"\b(?:glpat|gldt|glrt|glrtr|glcbt|glptt|glft|glsoat|glagent|glimt|glffct|gloas)",
            r"-[A-Za-z0-9_.-]{16,}",
        ),
        // Cloud, packages, chat, payment, models, ours.
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
        r"\bAIza[A-Za-z0-9_-]{35}",
        r"\b(?:npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|dckr_pat_[A-Za-z0-9_-]{20,})",
        r"\brubygems_[a-f0-9]{40,}",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}",
        r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{20,}",
        r"\bwhsec_[A-Za-z0-9+/=]{20,}|\bhhk_[A-Za-z0-9_-]{16,}",
        r"https://hooks\.slack\.com/[A-Za-z0-9/_-]+",
        // A signed token of JSON.
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        // A private key, also one whose end is cut.
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        // The password in a URL.
        r"://[^\s/:@]*:(?P<url>[^\s/@]+)@",
        // A header.
        concat!(
            r"(?i)\b(?:authorization|proxy-authorization|private-token|x-api-key|cookie)\b",
            r"['\x22]?\s*[:=]\s*['\x22]?(?P<header>[^\r\n'\x22]+)",
        ),
        r"(?i)\bbearer\s+(?P<bearer>[A-Za-z0-9._~+/=-]{12,})",
        // A setting whose name says so.
        concat!(
            r"(?i)\b[a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api_?-?key",
            r"|access_?-?key|private_?-?key|credentials?)[a-z0-9_.-]*['\x22]?\s*",
            r"(?::=|=>|[:=])\s*['\x22]?(?P<setting>[^\s'\x22,;:][^\s'\x22,;]{3,})",
        ),
    ];
    Regex::new(&forms.join("|")).expect("the forms are literals")
});

/// The text with what has the form of a secret replaced by `***`. Its lines stay lines, except
/// those of a private key.
pub fn mask(text: &str) -> String {
    let masked = SECRETS.replace_all(text, |found: &Captures<'_>| {
        let whole = found.get(0).map_or("", |it| it.as_str());
        let named = ["url", "header", "bearer", "setting"];
        let secret = named.into_iter().find_map(|name| found.name(name));
        match (secret, found.get(0)) {
            (Some(secret), Some(all)) => {
                let (from, to) = (secret.start() - all.start(), secret.end() - all.start());
                format!("{}{MASK}{}", &whole[..from], &whole[to..])
            }
            _ => MASK.to_owned(),
        }
    });
    masked.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_by_their_form_and_the_rest_stays() {
        for (text, expected) in [
            (
                "token ghp_0123456789abcdefghijABCDEFGHIJ0123 used",
                "token *** used",
            ),
            ("github_pat_11ABCDEFG0123456789_abcdefghijk", "***"),
            ("glpat-abcDEF0123456789_-xy.01.abc", "***"),
            ("id AKIAIOSFODNN7EXAMPLE.", "id ***."),
            ("xoxb-123456789012-abcdef", "***"),
            ("sk_live_0123456789abcdefXYZ", "***"),
            (
                "a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl b",
                "a *** b",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nx",
                "***\nx",
            ),
            ("-----BEGIN PRIVATE KEY-----\nMIIE\ncut", "***"),
            (
                "git clone https://ann:p4ss@host.example/x.git",
                "git clone https://ann:***@host.example/x.git",
            ),
            (
                "> Authorization: Basic YW5uOnBhc3M=",
                "> Authorization: ***",
            ),
            (
                "curl -H 'PRIVATE-TOKEN: abcdefgh' x",
                "curl -H 'PRIVATE-TOKEN: ***' x",
            ),
            ("used bearer abcdefghijklmnop", "used bearer ***"),
            ("DB_PASSWORD=hunter22 make", "DB_PASSWORD=*** make"),
            ("\"api_key\": \"abcd1234\",", "\"api_key\": \"***\","),
            (
                "  secret_access_key = abcd/efgh+1234",
                "  secret_access_key = ***",
            ),
            ("secret := abcdefgh", "secret := ***"),
            (":token => 'abcdefgh'", ":token => '***'"),
            ("password is wrong", "password is wrong"),
            (
                "test tokens::parse ... FAILED",
                "test tokens::parse ... FAILED",
            ),
            (
                "https://host.example:8443/path",
                "https://host.example:8443/path",
            ),
            ("assert_eq!(left, right)", "assert_eq!(left, right)"),
        ] {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn masking_is_quick_for_any_text() {
        let long = format!("{}:{}@", "://".repeat(20_000), "token=".repeat(20_000));
        let began = std::time::Instant::now();
        mask(&long);
        mask(&"-----BEGIN PRIVATE KEY-----".repeat(5_000));
        mask(&"a".repeat(300_000));
        assert!(began.elapsed().as_secs() < 10);
    }
}
