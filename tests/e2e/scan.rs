//! A search for secrets, in whatever form they may have got out.

use data_encoding::{BASE64, BASE64URL, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE, HEXUPPER};
use std::collections::HashMap;

/// Every form is found by its first bytes; a shorter form would be found everywhere.
const HEAD_BYTES: usize = 8;

/// Secrets that must be nowhere.
#[derive(Default)]
pub(crate) struct Canaries {
    /// What each form is a form of.
    forms: HashMap<Vec<u8>, String>,
    by_head: HashMap<[u8; HEAD_BYTES], Vec<Vec<u8>>>,
}

/// base64 of a text that stands anywhere in a longer one: what is the same whatever is around it.
fn base64_within(encoding: &Encoding, bytes: &[u8]) -> Vec<String> {
    let at = |offset: usize| {
        let padded = [vec![0; offset], bytes.to_vec()].concat();
        let text = encoding.encode(&padded);
        let begin = (offset * 8).div_ceil(6);
        let end = padded.len() * 8 / 6;
        text[begin..end].to_owned()
    };
    (0..3).map(at).collect()
}

fn forms_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![bytes.to_vec()];
    forms.push(HEXLOWER.encode(bytes).into_bytes());
    forms.push(HEXUPPER.encode(bytes).into_bytes());
    for text in base64_within(&BASE64, bytes) {
        forms.push(text.into_bytes());
    }
    for text in base64_within(&BASE64URL, bytes) {
        forms.push(text.into_bytes());
    }
    // As a list of numbers, as `Debug` prints bytes.
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    forms.push(numbers.join(", ").into_bytes());
    forms
}

impl Canaries {
    /// Adds a secret. One that is itself hex or base64 of something counts as that, too.
    pub(crate) fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 16, "{name} could be found by chance");
        let mut forms = forms_of(secret.as_bytes());
        for raw in [
            HEXLOWER_PERMISSIVE.decode(secret.as_bytes()).ok(),
            BASE64.decode(secret.as_bytes()).ok(),
        ] {
            forms.extend(raw.iter().flat_map(|raw| forms_of(raw)));
        }
        for form in forms {
            let head = *form.first_chunk().expect("sixteen bytes have longer forms");
            self.by_head.entry(head).or_default().push(form.clone());
            self.forms.insert(form, name.to_owned());
        }
    }

    /// The names of the secrets that stand in some bytes.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, head) in bytes.array_windows::<HEAD_BYTES>().enumerate() {
            for form in self.by_head.get(head).into_iter().flatten() {
                if bytes[at..].starts_with(form) && !found.contains(&self.forms[form]) {
                    found.push(self.forms[form].clone());
                }
            }
        }
        found
    }
}

#[test]
fn a_secret_is_found_in_every_form_and_nothing_else_is() {
    let mut canaries = Canaries::default();
    let (text, key) = ("ghp_canary-of-a-test", BASE64.encode(&[0xC5; 32]));
    canaries.add("text", text);
    canaries.add("key", &key);
    for around in ["", "x", "xy", "xyz"] {
        let sentence = format!("{around}{text}{around}");
        for told in [
            sentence.clone(),
            HEXLOWER.encode(sentence.as_bytes()),
            BASE64.encode(sentence.as_bytes()),
            BASE64URL.encode(sentence.as_bytes()),
            format!("{:?}", sentence.as_bytes()),
        ] {
            assert_eq!(canaries.found_in(told.as_bytes()), ["text"], "{told}");
        }
    }
    assert_eq!(canaries.found_in(key.as_bytes()), ["key"]);
    assert_eq!(
        canaries.found_in(&[[0; 5].as_slice(), &[0xC5; 32]].concat()),
        ["key"]
    );
    assert_eq!(
        canaries.found_in(b"ghp_canary-of-a-tesT and nothing else"),
        [""; 0]
    );
}
