//! Secrets in logs, by their form.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// What is masked whole, by the forms that services give to their tokens; and what is masked after
/// a word that says what it is, which is in a group.
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
        r"\bdo[opr]_v1_[a-f0-9]{20,}|\bhvs\.[A-Za-z0-9_-]{20,}|\bdapi[a-f0-9]{32}\b",
        r"\b(?:hf|shp(?:at|ca|pa|ss)|nfp|figd|sntry[su]|lin_api|gl(?:sa|c))_[A-Za-z0-9_+/=-]{20,}",
        r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|\bkey-[a-f0-9]{32}\b",
        r"\bATATT3[A-Za-z0-9_=-]{20,}|\bGOCSPX-[A-Za-z0-9_-]{20,}|\bya29\.[A-Za-z0-9_-]{20,}",
        r"\bcio[A-Za-z0-9]{32}\b|\boy2[a-z0-9]{43}\b|\btskey-[A-Za-z0-9-]{16,}",
        r"\bpul-[a-f0-9]{40}\b|\bdckr_oat_[A-Za-z0-9_-]{20,}|\bAGE-SECRET-KEY-1[A-Z0-9]{40,}",
        r"\b[0-9]{6,12}:[A-Za-z0-9_-]{35}\b",
        r"https://hooks\.slack\.com/[A-Za-z0-9/_-]+",
        r"https://(?:[a-z]+\.)?discord(?:app)?\.com/api/webhooks/[A-Za-z0-9/_-]+",
        // A signed token of JSON.
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        // A private key, also one whose end is cut.
        concat!(
            r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?",
            r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
        ),
        // The password in a URL, a token in the place of its user, and a signature.
        r"://[^\s/:@]*:([^\s/@]+)@|://([A-Za-z0-9_-]{20,})@",
        r"(?i)[?&](?:sig|x-(?:amz|goog)-signature)=([^\s&'\x22]+)",
        // A header.
        concat!(
            r"(?i)\b(?:authorization|proxy-authorization|private-token|x-api-key|cookie)\b",
            r"['\x22]?\s*[:=]\s*['\x22]?([^\r\n'\x22]+)",
        ),
        r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{12,})",
        // An option whose name says so, and users with their passwords.
        concat!(
            r"(?i)(?:^|[\s'\x22(])--?[a-z0-9_-]*?(?:password|passwd|passphrase|secret|token",
            r"|api_?-?key|access_?-?key|private_?-?key|secret_?-?key)",
            r"(?:(?P<blank>[ \t]+)|=)",
            r"(?:'([^'\n]+)|\x22([^\x22\n]+)|(?P<option>[^\s'\x22<\[=-][^\s'\x22]*))",
        ),
        r"(?:^|[\s'\x22])--(?:proxy-)?user(?:[ \t]+|=)['\x22]?[^\s:'\x22]+:([^\s'\x22]+)",
        // A setting whose name says so.
        r"\b[A-Z0-9_]+_PASS['\x22]?\s*[:=]\s*['\x22]?([^\s'\x22,;]+)",
        concat!(
            r"(?i)\b[a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api_?-?key",
            r"|(?:access|account|private)_?-?key|credentials?)[a-z0-9_.-]*['\x22]?\s*",
            r"(?::=|=>|[:=])\s*['\x22]?([^\s'\x22,;:][^\s'\x22,;]{3,})",
        ),
    ];
    Regex::new(&forms.join("|")).expect("the forms are literals")
});

/// What is masked after a command whose short option says what it is.
static COMMANDS: LazyLock<Regex> = LazyLock::new(|| {
    // How far an option may be from its command is bounded: so is the time.
    let begin = r"(?m)(?:^|[\s;|&('\x22]|bin/)";
    let forms = [
        r"curl [ -~]{0,200}?\B-u[ =]?['\x22]?[^\s:'\x22]+:([^\s'\x22]+)",
        r"(?:mysql|mariadb)[a-z-]* (?:[ -~]{0,200}? )?-p['\x22]?([^\s'\x22]+)",
        r"sshpass -p ?['\x22]?([^\s'\x22]+)",
        r"redis-cli (?:[ -~]{0,200}? )?-a ?['\x22]?([^\s'\x22]+)",
        concat!(
            r"(?:docker|podman|nerdctl|buildah|skopeo|oras|az|helm registry) login ",
            r"(?:[ -~]{0,200}? )?-p[ =]?['\x22]?([^\s'\x22]+)",
        ),
    ];
    Regex::new(&format!("{begin}(?:{})", forms.join("|"))).expect("the forms are literals")
});

/// Whether this follows an option in a sentence, or in the help of a command.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 36] = [
        "a",
        "an",
        "and",
        "are",
        "argument",
        "as",
        "at",
        "before",
        "but",
        "by",
        "can",
        "cannot",
        "does",
        "flag",
        "for",
        "from",
        "has",
        "if",
        "in",
        "instead",
        "is",
        "may",
        "must",
        "not",
        "of",
        "on",
        "option",
        "or",
        "parameter",
        "requires",
        "should",
        "the",
        "to",
        "was",
        "when",
        "with",
    ];
    const NAMES: [&str; 8] = [
        "API_KEY", "KEY", "PASSWORD", "SECRET", "STRING", "TEXT", "TOKEN", "VALUE",
    ];
    WORDS.contains(&text) || NAMES.contains(&text)
}

/// What stands in the place of what was found: in it, the group is masked, or all.
fn masked(found: &Captures<'_>) -> String {
    let whole = &found[0];
    let option = found.name("blank").and_then(|_| found.name("option"));
    if option.is_some_and(|option| is_word(option.as_str())) {
        return whole.to_owned();
    }
    let begin = found.get(0).map_or(0, |all| all.start());
    // The last one: the blank before an option is a group, too.
    match found.iter().skip(1).flatten().last() {
        Some(secret) => {
            let (from, to) = (secret.start() - begin, secret.end() - begin);
            format!("{}{MASK}{}", &whole[..from], &whole[to..])
        }
        None => MASK.to_owned(),
    }
}

/// The text with what has the form of a secret replaced by `***`. Its lines stay lines, except
/// those of a private key.
pub fn mask(text: &str) -> String {
    let text = SECRETS.replace_all(text, masked);
    COMMANDS.replace_all(&text, masked).into_owned()
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

    /// Command lines and settings, and what is shown of them.
    const WRITTEN: &[(&str, &str)] = &[
        ("deploy --password hunter6 -v", "deploy --password *** -v"),
        (
            "x --token=abc --api-key 'k 1'",
            "x --token=*** --api-key '***'",
        ),
        (
            "x --db-secret hunter2 --api_key=k",
            "x --db-secret *** --api_key=***",
        ),
        ("x -token abcdef", "x -token ***"),
        ("curl -u bob:hunter4 x", "curl -u bob:*** x"),
        ("+ curl -fsS -ubob:hunter4 x", "+ curl -fsS -ubob:*** x"),
        ("curl --user 'bob:pw' x", "curl --user 'bob:***' x"),
        (
            "curl -H 'Authorization: Bearer abcdef' https://a:b@h.example -u bob:pw",
            "curl -H 'Authorization: ***' https://a:***@h.example -u bob:***",
        ),
        ("  --user=bob:pw \\", "  --user=bob:*** \\"),
        (
            "mysql -h db -uroot -pHunter5 app",
            "mysql -h db -uroot -p*** app",
        ),
        (
            "$ /usr/bin/mysqldump -p'Hunter5' app",
            "$ /usr/bin/mysqldump -p'***' app",
        ),
        ("sshpass -p hunter2 ssh host", "sshpass -p *** ssh host"),
        (
            "docker login -u bob -p hunter2 r.example",
            "docker login -u bob -p *** r.example",
        ),
        (
            "redis-cli -h db -a hunter2 ping",
            "redis-cli -h db -a *** ping",
        ),
        ("DB_PASS=hunter2 make", "DB_PASS=*** make"),
        ("AccountKey=abcd1234efgh==;x", "AccountKey=***;x"),
    ];

    /// Tokens, keys and addresses.
    const TOKENS: &[(&str, &str)] = &[
        (
            "dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "***",
        ),
        ("npm_0123456789abcdefghijABCDEFGHIJ012345", "***"),
        ("pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtMDAwMC0w", "***"),
        ("hvs.CAESIJ0123456789abcdefghij", "***"),
        ("SG.0123456789abcdefghij.0123456789abcdefghij", "***"),
        ("hf_0123456789abcdefghijABCDEFGHIJ0123", "***"),
        ("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1", "***"),
        (
            "AGE-SECRET-KEY-1QQPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGP",
            "***",
        ),
        (
            "https://discord.com/api/webhooks/123/abc_DEF-1 failed",
            "*** failed",
        ),
        ("GET /x?a=1&sig=abc%2Fdef&b=2", "GET /x?a=1&sig=***&b=2"),
        (
            "https://0123456789abcdef0123@host.example/x",
            "https://***@host.example/x",
        ),
        (
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----\ny",
            "***\ny",
        ),
    ];

    #[test]
    fn options_of_commands_and_tokens_of_many_services_are_masked() {
        for (text, expected) in [WRITTEN, TOKENS].concat() {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn ordinary_words_stay() {
        for text in [
            "password is wrong",
            "the --token option is required",
            "--password must not be empty, --secret is deprecated",
            "  --token TOKEN      Token of the user",
            "  --api-key <KEY>    Key",
            "error: use --token-file or --token",
            "docker login --password-stdin r.example",
            "docker run --rm -u 1000:1000 mysql:8 -P 3306",
            "gcc -I/usr/include/mysql -pthread -pipe x.c",
            "mkdir -p target && cargo test -p hookherd",
            "curl -sS https://host.example:8443/path",
            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef01234567",
            "git@github.com:octo/app.git, ssh://git@host.example/x",
            "PASS src/app.test.js, 12 passed; TEST_PASSED=1",
            "monkey-business and the key-value store",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn masking_is_quick_for_any_text() {
        let long = format!("{}:{}@", "://".repeat(20_000), "token=".repeat(20_000));
        let began = std::time::Instant::now();
        mask(&long);
        mask(&"-----BEGIN PRIVATE KEY-----".repeat(5_000));
        mask(&"a".repeat(300_000));
        for part in [
            "curl -u ",
            "mysql -h x ",
            " --token ",
            "curl token=abcd1 ",
            "--a-b",
            "sig=",
        ] {
            mask(&part.repeat(300_000 / part.len()));
        }
        assert!(began.elapsed().as_secs() < 10);
    }
}
