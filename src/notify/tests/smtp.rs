//! A mail server that does what a test wants, over real connections with TLS: what it gets, and
//! what it never does.

mod server;

use super::kinds::Fixed;
use super::samples::{message, resolved};
use super::tls::{CA, EXPIRED, EXPIRED_CA, EXPIRED_KEY, accepting};
use super::*;
use crate::domain::sink::{DisableReason, SinkKind};
use mail_parser::MessageParser;
use server::{MailServer, Manner, Tls};

const WANTS_TLS: &str = "If it wants TLS from the first byte, use smtps://.";
const PASSWORD: &str = "canary-of-the-password";

/// What a message to this address comes to.
async fn sent_by(url: &str, message: &Message, ca: &[u8]) -> Receipt {
    let server = url.split('?').next().unwrap();
    let (_, rest) = server.rsplit_once('@').unwrap();
    let (host, port) = rest.rsplit_once(':').unwrap();
    let allowed = list(&[&format!("127.0.0.1:{port}")]);
    let zone = Arc::new(Zone::default());
    zone.add(host, &[&[address("127.0.0.1")]]);
    let outbound = changed(&allowed, &zone, |settings| {
        settings.ca_pem = Some(ca.to_vec());
        settings.name = "hooks.example.org".to_owned();
        settings.total_timeout = Duration::from_millis(1500);
    });
    let sinks = Sinks::new(outbound);
    let wish = Wish {
        url: Some(url.to_owned()),
        secret: Some(PASSWORD.to_owned()),
    };
    let kind = SinkKind::Email;
    let prepared = sinks.prepare(kind, &wish, &Fixed).unwrap();
    assert_eq!(prepared.host, rest);
    let plain = prepared.plain;
    let receipt = sinks.deliver(&Target { kind, plain }, message).await;
    let shown = format!("{receipt:?}");
    let hidden = data_encoding::BASE64.encode(PASSWORD.as_bytes());
    assert!(
        !shown.contains("canary") && !shown.contains(&hidden),
        "{shown}"
    );
    receipt
}

async fn sent(server: &MailServer, message: &Message) -> Receipt {
    let url = server.url("localhost", "ann@example.org");
    sent_by(&url, message, CA).await
}

/// The mail among what came.
fn mail(came: &[String]) -> Option<&String> {
    came.iter().find(|it| it.contains("Subject: "))
}

fn has_password(came: &[String]) -> bool {
    came.iter().any(|line| line.starts_with("AUTH"))
}

#[tokio::test]
async fn a_mail_arrives_over_tls_that_begins_at_once_or_when_asked() {
    for tls in [Tls::AtOnce, Tls::WhenAsked] {
        let server = MailServer::start(Manner::new(tls)).await;
        let mut url = server.url("localhost", "ann@example.org,bob@example.org");
        if tls == Tls::AtOnce {
            url = url.replacen("smtp:", "smtps:", 1);
        }
        let receipt = sent_by(&url, &message(), CA).await;
        let first = format!(
            "<{}.{}@hooks.example.org>",
            message().incident.id,
            message().id
        );
        let accepted = Receipt::Accepted {
            message: Some(first.clone()),
        };
        assert_eq!(receipt, accepted, "{tls:?}");
        let came = server.came();
        let begun = came.iter().position(|line| line == "TLS").unwrap();
        let before: Vec<&str> = came[..begun].iter().map(String::as_str).collect();
        let expected: &[&str] = match tls {
            Tls::WhenAsked => &["EHLO hooks.example.org", "STARTTLS"],
            Tls::AtOnce | Tls::Never | Tls::Silent => &[],
        };
        assert_eq!(before, expected);
        let login =
            data_encoding::BASE64.encode(format!("\0ci@example.org\0{PASSWORD}").as_bytes());
        let after: Vec<&str> = came[begun + 1..].iter().map(String::as_str).collect();
        assert_eq!(
            after[..6],
            [
                "EHLO hooks.example.org",
                &format!("AUTH PLAIN {login}"),
                "MAIL FROM:<ci@example.org>",
                "RCPT TO:<ann@example.org>",
                "RCPT TO:<bob@example.org>",
                "DATA",
            ]
        );
        let parsed = MessageParser::default().parse(after[6]).unwrap();
        assert_eq!(parsed.subject(), Some("[octo/app] build failed on main"));
        assert!(
            parsed
                .body_text(0)
                .unwrap()
                .contains("Failed jobs: test (linux), lint")
        );
        // Its end refers to it, and later ones refer to the first, too.
        let end = Message {
            shown_as: Some(first),
            ..resolved()
        };
        assert_eq!(sent_by(&url, &end, CA).await, accepted);
        assert_eq!(
            server.came().iter().filter(|line| *line == "QUIT").count(),
            2
        );
    }
}

#[tokio::test]
async fn without_tls_no_server_gets_a_password_or_a_text() {
    // One that does not offer it, one that refuses it, and one of plain text where TLS is to begin.
    let without = Manner::new(Tls::Never);
    let refusing = Manner::but(Tls::WhenAsked, &[("STARTTLS", "454 4.7.0 not now")]);
    for (manner, scheme, words) in [
        (
            without.clone(),
            "smtp",
            "does not offer STARTTLS. Nothing was sent.",
        ),
        (refusing, "smtp", "It answered 454: 4.7.0 not now"),
        (without, "smtps", "the server does not speak TLS"),
    ] {
        let server = MailServer::start(manner).await;
        let url = server.url("localhost", "ann@example.org");
        let url = url.replacen("smtp", scheme, 1);
        let receipt = sent_by(&url, &message(), CA).await;
        let Receipt::Later { why, .. } = &receipt else {
            panic!("{receipt:?}");
        };
        assert!(why.contains(words), "{why}");
        let came = server.came();
        assert!(mail(&came).is_none() && !has_password(&came), "{came:?}");
        assert!(!came.iter().any(|line| line.contains("MAIL")), "{came:?}");
    }
}

#[tokio::test]
async fn a_server_with_a_wrong_certificate_gets_nothing() {
    for tls in [Tls::AtOnce, Tls::WhenAsked] {
        let expired = Manner {
            acceptor: accepting(EXPIRED, EXPIRED_KEY),
            ..Manner::new(tls)
        };
        let right = Manner::new(tls);
        for (manner, host, ca, words) in [
            (
                &right,
                "mail.internal",
                CA,
                "its certificate is for another name",
            ),
            (
                &right,
                "localhost",
                EXPIRED_CA,
                "the issuer of its certificate is not trusted",
            ),
            (
                &expired,
                "localhost",
                EXPIRED_CA,
                "its certificate has expired",
            ),
        ] {
            let server = MailServer::start(manner.clone()).await;
            let mut url = server.url(host, "ann@example.org");
            if tls == Tls::AtOnce {
                url = url.replacen("smtp:", "smtps:", 1);
            }
            let receipt = sent_by(&url, &message(), ca).await;
            // It may be renewed: no reason to disable the sink.
            let Receipt::Later { why, after: None } = &receipt else {
                panic!("{receipt:?}");
            };
            assert!(why.contains(words), "{why}");
            let came = server.came();
            assert!(mail(&came).is_none() && !has_password(&came), "{came:?}");
        }
    }
}

/// An attacker on the way can add answers before TLS begins; none may count behind it.
#[tokio::test]
async fn what_is_added_before_tls_is_no_answer_of_the_server() {
    for added in [
        "220 2.0.0 ready\r\n250-mail.evil\r\n250 AUTH PLAIN",
        "220 2.0.0 ready\r\n250 ok",
    ] {
        let manner = Manner::but(Tls::WhenAsked, &[("STARTTLS", added)]);
        let server = MailServer::start(manner).await;
        let receipt = sent(&server, &message()).await;
        assert!(matches!(receipt, Receipt::Later { .. }), "{receipt:?}");
        let came = server.came();
        assert!(mail(&came).is_none() && !has_password(&came), "{came:?}");
    }
}

#[tokio::test]
async fn each_refusal_comes_to_what_it_means() {
    use DisableReason::{NotFound, Refused};
    for (line, answer, expected) in [
        ("greeting", "421 4.3.2 closing", None),
        ("greeting", "554 5.7.1 no service", Some(Refused)),
        (
            "AUTH",
            "535 5.7.8 bad credentials: canary-of-the-password",
            Some(Refused),
        ),
        ("AUTH", "454 4.7.0 later", None),
        ("MAIL", "550 5.7.1 not your sender", Some(Refused)),
        ("RCPT", "550 5.1.1 no such user", Some(NotFound)),
        ("RCPT", "450 4.2.0 greylisted", None),
        ("DATA", "451 4.3.0 later", None),
        (".", "451 4.3.0 later", None),
    ] {
        let server = MailServer::start(Manner::but(Tls::WhenAsked, &[(line, answer)])).await;
        match (sent(&server, &message()).await, expected) {
            (Receipt::Refused { reason, why }, Some(expected)) => {
                assert_eq!(reason, expected, "{line} {answer}");
                assert!(why.starts_with("It answered 5"), "{why}");
            }
            (Receipt::Later { after, .. }, None) => {
                assert_eq!(after, Some(Duration::from_mins(5)), "{line} {answer}");
            }
            (other, _) => panic!("{line} {answer}: {other:?}"),
        }
        let came = server.came();
        assert_eq!(mail(&came).is_some(), line == ".", "{came:?}");
    }
    for (line, answer) in [(".", "554 5.6.0 spam"), ("DATA", "554 5.5.1 no")] {
        let server = MailServer::start(Manner::but(Tls::WhenAsked, &[(line, answer)])).await;
        let receipt = sent(&server, &message()).await;
        assert!(matches!(receipt, Receipt::Rejected { .. }), "{receipt:?}");
    }
    let silent = [("EHLO", "250-mail.example\r\n250 STARTTLS")];
    let server = MailServer::start(Manner::but(Tls::WhenAsked, &silent)).await;
    let receipt = sent(&server, &message()).await;
    let Receipt::Refused { why, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert!(why.contains("no way to sign in with a password"), "{why}");
}

#[tokio::test]
async fn one_recipient_who_is_refused_keeps_no_other_from_the_mail() {
    let answers = [
        ("RCPT TO:<bob@", "550 5.1.1 no such user"),
        ("RCPT TO:<eve@", "450 4.2.0 greylisted"),
    ];
    let server = MailServer::start(Manner::but(Tls::WhenAsked, &answers)).await;
    let url = server.url(
        "localhost",
        "bob@example.org,ann@example.org,eve@example.org",
    );
    let Receipt::Partly { message: id, why } = sent_by(&url, &message(), CA).await else {
        panic!("not accepted in part");
    };
    assert!(id.is_some() && mail(&server.came()).is_some());
    assert_eq!(
        why,
        "Refused recipients: bob@example.org (550: 5.1.1 no such user), eve@example.org (450: \
         4.2.0 greylisted)."
    );
    // If one may be accepted later and none is now, that is worth another try.
    let url = server.url("localhost", "bob@example.org,eve@example.org");
    let receipt = sent_by(&url, &message(), CA).await;
    assert!(matches!(receipt, Receipt::Later { .. }), "{receipt:?}");
}

#[tokio::test]
async fn only_a_mail_that_was_begun_is_unsure_when_no_answer_comes() {
    for (line, answer, is_unsure) in [
        ("greeting", "...", false),
        ("EHLO", "", false),
        ("RCPT", "250-...", false),
        ("DATA", "", false),
        (".", "", true),
        (".", "250-...", true),
    ] {
        let server = MailServer::start(Manner::but(Tls::WhenAsked, &[(line, answer)])).await;
        let receipt = sent(&server, &message()).await;
        match (&receipt, is_unsure) {
            (Receipt::Unsure { .. }, true) | (Receipt::Later { .. }, false) => {}
            (other, _) => panic!("{line} {answer:?}: {other:?}"),
        }
    }
}

/// There is a connection: no words about a firewall.
#[tokio::test]
async fn a_server_that_is_reached_and_does_not_answer_may_want_the_other_scheme() {
    const STARTTLS: &str = "If it begins without TLS, use smtp://.";
    let tls = || Manner::new(Tls::AtOnce);
    let never = |greeting: &'static str| Manner::but(Tls::Never, &[("greeting", greeting)]);
    for (manner, scheme, words, advice) in [
        // It waits for TLS to begin.
        (tls(), "smtp", "it sent no greeting within 3 s", WANTS_TLS),
        (
            never(""),
            "smtp",
            "it closed the connection without a greeting",
            WANTS_TLS,
        ),
        (
            never("HTTP/1.1 400 Bad Request"),
            "smtp",
            "it sent something that is not SMTP",
            WANTS_TLS,
        ),
        (
            never("220 mail.example"),
            "smtps",
            "the server does not speak TLS",
            STARTTLS,
        ),
        (
            Manner::new(Tls::Silent),
            "smtps",
            "it did not answer within 3 s when TLS began",
            STARTTLS,
        ),
        (
            Manner::but(Tls::WhenAsked, &[("EHLO", "250-...")]),
            "smtp",
            "but it did not answer within 3 s",
            "Nothing was sent.",
        ),
    ] {
        let server = MailServer::start(manner).await;
        let url = server.url("localhost", "ann@example.org");
        let url = url.replacen("smtp", scheme, 1);
        let Receipt::Later { why, after: None } = sent_by(&url, &message(), CA).await else {
            panic!("{words}");
        };
        assert!(why.contains(words) && why.contains(advice), "{why}");
        assert!(!why.contains("firewall"), "{why}");
        assert!(mail(&server.came()).is_none());
    }
}

#[tokio::test]
async fn answers_have_limits_and_are_shown_as_one_short_line() {
    let long: &'static str = Box::leak(format!("550 {}", "x".repeat(900)).into_boxed_str());
    let server = MailServer::start(Manner::but(Tls::WhenAsked, &[("MAIL", long)])).await;
    let receipt = sent(&server, &message()).await;
    let Receipt::Refused { why, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert!(why.len() < 300, "{why}");
    // Before TLS and behind it: no end of an answer.
    let endless: &'static str = Box::leak("250-x\r\n".repeat(40_000).into_boxed_str());
    for line in ["greeting", "MAIL"] {
        let server = MailServer::start(Manner::but(Tls::WhenAsked, &[(line, endless)])).await;
        let receipt = sent(&server, &message()).await;
        assert!(matches!(receipt, Receipt::Later { .. }), "{receipt:?}");
        assert!(mail(&server.came()).is_none());
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    let server = MailServer::start(Manner::new(Tls::WhenAsked)).await;
    let port = server.port;
    let allowed = list(&[&format!("127.0.0.2:{port}")]);
    let zone = Arc::new(Zone::default());
    // The second look-up would find the server: there is none.
    let (one, two) = (address("127.0.0.1"), address("127.0.0.2"));
    zone.add("localhost.example", &[&[two], &[one]]);
    let outbound = changed(&allowed, &zone, |settings| {
        settings.ca_pem = Some(CA.to_vec());
    });
    let sinks = Sinks::new(outbound);
    let wish = Wish {
        url: Some(server.url("localhost.example", "ann@example.org")),
        secret: Some(PASSWORD.to_owned()),
    };
    let kind = SinkKind::Email;
    let plain = sinks.prepare(kind, &wish, &Fixed).unwrap().plain;
    let target = Target { kind, plain };
    let receipt = sinks.deliver(&target, &message()).await;
    assert!(matches!(receipt, Receipt::Later { .. }), "{receipt:?}");
    assert_eq!(zone.asked(), ["localhost.example"]);
    // Now the name leads to what may not be called.
    let receipt = sinks.deliver(&target, &message()).await;
    let Receipt::Refused { reason, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert_eq!(reason, DisableReason::AddressRefused);
    assert_eq!(server.came(), [] as [&str; 0]);
}
