//! One mail to an SMTP server, over TLS or not at all.
//!
//! The connection goes to an address that was checked, and the certificate must be that of the name
//! that was entered. What comes before TLS is read here and nothing of it is kept: what an attacker
//! on the way adds to it must not pass for an answer of the server. Behind it, `lettre` speaks. No
//! server gets a password or a text without TLS.

use super::outbound::Outbound;
use super::{AddressError, SendError};
use bytes::Buf;
use futures_util::TryFutureExt;
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The ports on which servers of the internet take mail from users. Not 25: there they take it from
/// other servers, and who may send in whose name is no question of a password.
pub(super) const PORTS: &[u16] = &[465, 587, 2525];
/// Most bytes of one answer before TLS.
const PLAIN_BYTES_MAX: usize = 4096;
/// Most bytes of all answers behind it: long ones for each of twenty recipients. With each line of
/// an answer `lettre` reads the lines before it again, so many short ones would take long.
const ANSWERS_BYTES_MAX: usize = 16 << 10;
/// Time for a farewell, of which nothing depends.
const FAREWELL: Duration = Duration::from_secs(1);
/// What `lettre` reads as the greeting where the server has greeted before TLS.
const GREETED: &[u8] = b"220 again\r\n";

/// A server.
pub(super) struct Server {
    /// Its name or address, as it was entered.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS begins with the first byte. Otherwise it has to offer STARTTLS.
    pub is_implicit: bool,
}

impl Server {
    /// Host and port, for people; the port only if it is not the usual one.
    pub fn place(&self) -> String {
        match (self.is_implicit, self.port) {
            (true, 465) | (false, 587) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// A mail.
pub(super) struct Mail {
    /// Who sends it.
    pub from: Address,
    /// Who gets it.
    pub to: Vec<Address>,
    /// The message, in lines that end with CR and LF.
    pub bytes: Vec<u8>,
}

/// What a server was asked when it refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To talk to us at all.
    Greeting,
    /// To accept user and password.
    Login,
    /// To accept the sender.
    Sender,
    /// To accept the recipients: it has refused them all.
    Recipients,
    /// To accept the message.
    Message,
}

/// How far a delivery is. Nothing of the mail is sent before the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is no connection yet.
    Connecting,
    /// There is one, on which the server has to speak first, without TLS.
    Greeting,
    /// TLS begins.
    Tls,
    /// Answers follow commands.
    Talking,
    /// The mail is sent.
    Mail,
}

/// What came instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing, in this time.
    Silent(Duration),
    /// The end of the connection.
    Closed,
    /// Something that is no answer of a mail server.
    Other,
}

impl Missing {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Other,
            _ => Self::Closed,
        }
    }
}

/// A recipient who was refused, while others were not.
#[derive(Debug)]
pub(super) struct Refusal {
    pub to: Address,
    pub code: u16,
    /// The answer. It may hold secrets.
    pub text: String,
}

/// Why a mail was not sent, or may not have been.
#[derive(Debug)]
pub(super) enum Fault {
    /// There was no connection, or the mail may have been sent.
    Unsent(SendError),
    /// There was a connection, and no answer in this phase. The mail was not sent.
    Lost(Phase, Missing),
    /// The server offers no TLS.
    NoTls,
    /// The server offers no way to sign in that is known.
    NoLogin,
    /// The server refuses, with this code.
    Refused(Step, u16, String),
}

/// A connection with TLS, with a limit for what is read.
#[derive(Debug)]
struct Line {
    stream: TlsStream<TcpStream>,
    /// Read before the stream.
    before: &'static [u8],
    left: usize,
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.has_remaining() {
            let long = self.before.len().min(into.remaining());
            into.put_slice(&self.before[..long]);
            self.before.advance(long);
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        let long = into.filled().len() - before;
        match self.left.checked_sub(long) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
        }
        read
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// An answer before TLS: its code, and its lines without the code.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// The answer, once its last line is there. Errors when it is none, or when more follows.
    fn of(bytes: &[u8]) -> io::Result<Option<Self>> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let mut lines = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&rest[..end]).trim_end().to_owned();
            rest = &rest[end + 1..];
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code: u16 = code.ok_or_else(bad)?;
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            match line.as_bytes().get(3) {
                Some(b'-') => {}
                Some(b' ') | None if rest.is_empty() => return Ok(Some(Self { code, lines })),
                _ => return Err(bad()),
            }
        }
        Ok(None)
    }

    async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut bytes = Vec::new();
        loop {
            if let Some(reply) = Self::of(&bytes)? {
                return Ok(reply);
            }
            let mut more = [0; 1024];
            let read = stream.read(&mut more).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if bytes.len() + read > PLAIN_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            bytes.extend_from_slice(&more[..read]);
        }
    }

    fn offers(&self, what: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.eq_ignore_ascii_case(what))
    }
}

/// What is sent, and to where.
pub(super) struct Delivery<'a> {
    pub outbound: &'a Outbound,
    pub server: &'a Server,
    /// User and password, if the server wants them.
    pub login: Option<(&'a str, &'a str)>,
    pub mail: &'a Mail,
}

impl Delivery<'_> {
    /// Sends the mail. Returns the recipients who were refused, of whom one at least was not.
    pub async fn run(&self) -> Result<Vec<Refusal>, Fault> {
        let phase = Mutex::new(Phase::Connecting);
        // Servers examine a mail before they answer.
        let time = 2 * self.outbound.total_timeout();
        let Ok(sent) = timeout(time, self.send(&phase)).await else {
            let phase = *phase.lock();
            return Err(self.lost(phase, Missing::Silent(time)));
        };
        let (mut connection, refused) = sent?;
        // The server has the mail, whatever it says now.
        let _ = timeout(FAREWELL, connection.quit()).await;
        Ok(refused)
    }

    async fn send(
        &self,
        phase: &Mutex<Phase>,
    ) -> Result<(AsyncSmtpConnection, Vec<Refusal>), Fault> {
        let line = self.line(phase).await?;
        *phase.lock() = Phase::Talking;
        let line = Box::new(line);
        let hello = hello(self.outbound.name());
        let at = |step| move |error: lettre::transport::smtp::Error| self.fault(step, &error);
        let greeted = AsyncSmtpConnection::connect_with_transport(line, &hello);
        let mut connection = greeted.await.map_err(at(Step::Greeting))?;
        if let Some(login) = self.login {
            self.sign_in(&mut connection, login).await?;
        }
        let from = MailFrom::new(Some(self.mail.from.clone()), Vec::new());
        connection.command(from).await.map_err(at(Step::Sender))?;
        let refused = self.address(&mut connection).await?;
        connection.command(Data).await.map_err(at(Step::Message))?;
        *phase.lock() = Phase::Mail;
        match connection.message(&self.mail.bytes).await {
            Ok(_) => Ok((connection, refused)),
            Err(error) if error.status().is_some() => Err(at(Step::Message)(error)),
            Err(_) => Err(self.lost(Phase::Mail, Missing::Closed)),
        }
    }

    /// Says what a failure before the message means: nothing of it was sent.
    fn fault(&self, step: Step, error: &lettre::transport::smtp::Error) -> Fault {
        let code = error
            .status()
            .and_then(|code| code.to_string().parse().ok());
        match code {
            Some(code) => {
                let text = error.source().map(ToString::to_string);
                Fault::Refused(step, code, text.unwrap_or_default())
            }
            None => self.lost(Phase::Talking, Missing::Closed),
        }
    }

    /// Says what it means that there is no answer.
    fn lost(&self, phase: Phase, missing: Missing) -> Fault {
        let place = self.server.place();
        match (phase, missing) {
            (Phase::Connecting, _) => Fault::Unsent(SendError::Unreached { place }),
            (Phase::Mail, Missing::Silent(_)) => Fault::Unsent(SendError::TimedOut { place }),
            (Phase::Mail, Missing::Closed | Missing::Other) => {
                let status = None;
                Fault::Unsent(SendError::Broken { place, status })
            }
            (Phase::Greeting | Phase::Tls | Phase::Talking, _) => Fault::Lost(phase, missing),
        }
    }

    async fn sign_in(
        &self,
        connection: &mut AsyncSmtpConnection,
        (user, password): (&str, &str),
    ) -> Result<(), Fault> {
        const KNOWN: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
        let is_offered = |it: &Mechanism| connection.server_info().supports_auth_mechanism(*it);
        if !KNOWN.iter().any(is_offered) {
            return Err(Fault::NoLogin);
        }
        let credentials = Credentials::new(user.to_owned(), password.to_owned());
        let signed_in = connection.auth(&KNOWN, &credentials).await;
        signed_in.map_err(|error| self.fault(Step::Login, &error))?;
        Ok(())
    }

    /// Names the recipients. Returns those who were refused; errors when all were.
    async fn address(&self, connection: &mut AsyncSmtpConnection) -> Result<Vec<Refusal>, Fault> {
        let mut refused = Vec::new();
        for to in &self.mail.to {
            let named = connection.command(Rcpt::new(to.clone(), Vec::new())).await;
            let Err(error) = named else {
                continue;
            };
            match self.fault(Step::Recipients, &error) {
                Fault::Refused(_, code, text) => {
                    let to = to.clone();
                    refused.push(Refusal { to, code, text });
                }
                other => return Err(other),
            }
        }
        if refused.len() < self.mail.to.len() {
            return Ok(refused);
        }
        // One that may be accepted later is reason enough to try again.
        let passes = |it: &Refusal| matches!(it.code, 400..=499);
        let at = refused.iter().position(passes).unwrap_or_default();
        let Refusal { code, text, .. } = refused.swap_remove(at);
        Err(Fault::Refused(Step::Recipients, code, text))
    }

    /// A connection with TLS.
    async fn line(&self, phase: &Mutex<Phase>) -> Result<Line, Fault> {
        let (server, outbound) = (self.server, self.outbound);
        let name = ServerName::try_from(server.host.trim_matches(['[', ']']).to_owned());
        let name = name.map_err(|_| Fault::Unsent(AddressError::Host.into()))?;
        let connected = outbound.connect(&server.host, server.port, PORTS);
        let mut stream = connected.await.map_err(Fault::Unsent)?;
        let before = if server.is_implicit {
            &[]
        } else {
            self.ask_for_tls(&mut stream, phase).await?;
            GREETED
        };
        *phase.lock() = Phase::Tls;
        let connector = TlsConnector::from(Arc::clone(outbound.tls()));
        let stream = connector
            .connect(name, stream)
            .map_err(|error| {
                let fault = SendError::of_tls(&error, server.place());
                fault.map_or_else(|| self.lost(Phase::Tls, Missing::Closed), Fault::Unsent)
            })
            .await?;
        Ok(Line {
            stream,
            before,
            left: ANSWERS_BYTES_MAX,
        })
    }

    async fn ask_for_tls(&self, stream: &mut TcpStream, phase: &Mutex<Phase>) -> Result<(), Fault> {
        let lost = |phase| move |error: io::Error| self.lost(phase, Missing::of(&error));
        *phase.lock() = Phase::Greeting;
        let greeting = Reply::read(stream).await.map_err(lost(Phase::Greeting))?;
        expect(greeting, 220)?;
        *phase.lock() = Phase::Talking;
        let lost = lost(Phase::Talking);
        let hello = format!("EHLO {}\r\n", hello(self.outbound.name()));
        stream.write_all(hello.as_bytes()).await.map_err(lost)?;
        let offers = Reply::read(stream).await.map_err(lost)?;
        let offers = expect(offers, 250)?;
        if !offers.offers("STARTTLS") {
            return Err(Fault::NoTls);
        }
        stream.write_all(b"STARTTLS\r\n").await.map_err(lost)?;
        let begins = Reply::read(stream).await.map_err(lost)?;
        expect(begins, 220).map(|_| ())
    }
}

fn expect(reply: Reply, code: u16) -> Result<Reply, Fault> {
    if reply.code == code {
        return Ok(reply);
    }
    let text = reply.lines.join(" ");
    Err(Fault::Refused(Step::Greeting, reply.code, text))
}

/// Our name, as servers want it.
fn hello(name: &str) -> ClientId {
    match name.trim_matches(['[', ']']).parse() {
        Ok(std::net::IpAddr::V4(four)) => ClientId::Ipv4(four),
        Ok(std::net::IpAddr::V6(six)) => ClientId::Ipv6(six),
        Err(_) => ClientId::Domain(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::Reply;

    #[test]
    fn an_answer_before_tls_ends_with_its_last_line() {
        let read = |text: &str| Reply::of(text.as_bytes());
        let reply = read("250-mail.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n");
        let reply = reply.unwrap().unwrap();
        assert!(reply.code == 250 && reply.offers("starttls"));
        assert!(!reply.offers("START"));
        assert_eq!(read("220\r\n").unwrap().unwrap().code, 220);
        for more in ["", "2", "220 mail", "250-a\r\n", "250-a\r\n250"] {
            assert!(read(more).unwrap().is_none(), "{more:?}");
        }
        for bad in [
            "hello\r\n",
            "\r\n",
            "22\u{e9} x\r\n",
            "220x\r\n",
            // What was added on the way.
            "220 begin\r\n250 AUTH PLAIN\r\n",
            "220 begin\r\n2",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
