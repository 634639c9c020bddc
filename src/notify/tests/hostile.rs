//! The corpus of hostile addresses, without an allow list and with one.

use super::corpus::{Case, DOMAIN, corpus};
use super::*;

/// What a request to the address of a case comes to.
async fn sent(case: &Case, outbound: &Outbound, zone: &Zone) -> Result<Answer, SendError> {
    zone.add(DOMAIN, &[&case.answers]);
    let to = Destination::parse(&case.url, outbound.allowed())?;
    outbound.send(&to, post("x")).await
}

#[tokio::test]
async fn no_hostile_address_is_called_by_default() {
    let zone = Arc::new(Zone::default());
    // The names of the tricks must be refused as they are entered: no look-up finds them.
    let outbound = outbound(&Allowed::default(), &zone);
    let cases = corpus();
    assert!(cases.len() >= 4000, "{}", cases.len());
    let mut entered = 0;
    for case in &cases {
        let error = sent(case, &outbound, &zone).await.err();
        let Some(SendError::Refused(refused)) = &error else {
            panic!("{case:?}: {error:?}");
        };
        let words = refused.to_string();
        assert!(words.ends_with('.') && words.len() < 500, "{words}");
        let shown = format!("{words}{error:?}");
        assert!(
            !shown.contains("canary") && !shown.contains(['\r', '\n']),
            "{shown}"
        );
        entered += usize::from(case.answers.is_empty());
        let asked = zone.asked();
        assert_eq!(
            asked.is_empty(),
            case.answers.is_empty(),
            "{case:?}: {asked:?}"
        );
    }
    assert!(entered >= 4000 && entered < cases.len(), "{entered}");
}

/// Which literals an allow list opens, said without it: its own words are not asked.
fn is_opened(case: &Case, port: u16) -> bool {
    let four = match case.literal {
        Some(IpAddr::V4(four)) => Some(four),
        Some(IpAddr::V6(six)) => six.to_ipv4_mapped(),
        None => None,
    };
    let ten = four.is_some_and(|four| four.octets()[0] == 10);
    let metadata = four.is_some_and(|four| four.octets() == [169, 254, 169, 254]);
    let unique = matches!(case.literal, Some(IpAddr::V6(six)) if six.octets()[0] == 0xfd);
    ten || metadata && port == 80 || unique && port == 8443
}

#[test]
fn with_a_list_only_what_it_allows_can_be_entered() {
    let allowed = list(&["10.0.0.0/8", "169.254.169.254:80", "[fd00::/8]:8443"]);
    let (mut opened, mut closed) = (0, 0);
    for case in corpus().iter().filter(|case| case.literal.is_some()) {
        let port = match &case.url[..6] {
            "https:" => 443,
            "http:/" => 80,
            _ => 8443,
        };
        let parsed = Destination::parse(&case.url, &allowed);
        assert_eq!(
            parsed.is_ok(),
            is_opened(case, port),
            "{case:?}: {parsed:?}"
        );
        *if parsed.is_ok() {
            &mut opened
        } else {
            &mut closed
        } += 1;
    }
    assert!(opened > 100 && closed > 1000, "{opened} {closed}");
}

#[tokio::test]
async fn with_a_list_only_what_it_allows_is_resolved() {
    let zone = Arc::new(Zone::default());
    let public = address("8.8.8.8");
    for (entries, expected) in [
        (&["10.0.0.0/8"][..], "10."),
        (&["192.168.0.0/16:443"], "192.168."),
        (&["192.168.0.0/16:444"], "none"),
        (&["other.example"], "none"),
        // A name is trusted with all its addresses.
        (&[DOMAIN], ""),
    ] {
        let outbound = outbound(&list(entries), &zone);
        for case in corpus().iter().filter(|case| !case.answers.is_empty()) {
            zone.add(DOMAIN, &[&case.answers]);
            let is_opened = |ip: &IpAddr| {
                *ip == public
                    || *ip == address("2606:4700::1111")
                    || ip.to_canonical().to_string().starts_with(expected)
            };
            let found = outbound.resolve(DOMAIN, 443, &[443]).await;
            assert_eq!(
                found.is_ok(),
                case.answers.iter().all(is_opened),
                "{entries:?} {case:?}"
            );
            if let Ok(found) = found {
                let found: Vec<_> = found.iter().map(std::net::SocketAddr::ip).collect();
                assert_eq!(found, case.answers);
            }
        }
    }
}

#[test]
fn ordinary_addresses_can_be_entered() {
    let none = Allowed::default();
    for (text, place, whole) in [
        (
            "https://hooks.example/T/B?x=1",
            "hooks.example",
            "https://hooks.example/T/B?x=1",
        ),
        (
            "HTTPS://Hooks.Example.:443/a",
            "hooks.example",
            "https://hooks.example/a",
        ),
        (
            "https://b\u{fc}cher.example",
            "xn--bcher-kva.example",
            "https://xn--bcher-kva.example/",
        ),
        ("https://8.8.8.8/x", "8.8.8.8", "https://8.8.8.8/x"),
        ("https://134744072/x", "8.8.8.8", "https://8.8.8.8/x"),
        (
            "https://[2606:4700::1111]/",
            "[2606:4700::1111]",
            "https://[2606:4700::1111]/",
        ),
        (
            "https://a_b.example/%20x?y=%0d",
            "a_b.example",
            "https://a_b.example/%20x?y=%0d",
        ),
        (
            "https://h.example/?sig=a/b@c",
            "h.example",
            "https://h.example/?sig=a/b@c",
        ),
    ] {
        let to = Destination::parse(text, &none).unwrap();
        let found = (to.place(), to.expose().to_owned(), to.host());
        assert_eq!(
            found,
            (place.to_owned(), whole.to_owned(), place.to_owned())
        );
        // What is stored is read again as the same.
        assert_eq!(Destination::parse(to.expose(), &none), Ok(to));
    }
    let allowed = list(&["chat.internal:8065", "plain.internal", "127.0.0.0/8:9"]);
    for (text, place) in [
        ("http://chat.internal:8065/hooks/x", "chat.internal:8065"),
        ("https://Chat.Internal:8065/hooks/x", "chat.internal:8065"),
        ("http://plain.internal/x", "plain.internal"),
        ("http://localhost:9/x", "localhost:9"),
        ("http://127.1:9/x", "127.0.0.1:9"),
        // Its addresses decide.
        ("https://any.example:9/x", "any.example:9"),
    ] {
        assert_eq!(Destination::parse(text, &allowed).unwrap().place(), place);
    }
}

#[test]
fn each_mistake_is_said_in_words_of_its_own() {
    for (text, words) in [
        ("hooks.example/x", "must start with https://"),
        ("ftp://hooks.example/x", "must start with https://"),
        (
            "http://hooks.example/x",
            "hooks.example must be called with https://. Only hosts that",
        ),
        (
            "https://hooks.example:8443/",
            "Port 8443 of hooks.example is not permitted.",
        ),
        ("https://hooks.example:99999/", "not a URL"),
        (
            "https://ann:canary@hooks.example/",
            "user name or a password",
        ),
        ("https://hooks.example/#x", "fragment"),
        ("https://hooks.example/a b", "blanks"),
        ("https:///x", "no valid host name"),
        (
            "https://10.0.0.1/",
            "10.0.0.1 has an address that is not of the internet (private).",
        ),
        (
            "https://0xa9fea9fe/",
            "169.254.169.254 has an address that is not of the internet (link-",
        ),
    ] {
        let error = Destination::parse(text, &Allowed::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}
