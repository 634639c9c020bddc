//! A mail server that does what a test wants, and what came to it.

use super::super::tls::accepting;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// When the server begins TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    AtOnce,
    WhenAsked,
    Never,
    /// It accepts the connection, and that is all.
    Silent,
}

/// How a server behaves.
#[derive(Clone)]
pub(super) struct Manner {
    pub(super) tls: Tls,
    pub(super) acceptor: TlsAcceptor,
    /// What it answers to lines that begin so, instead of what is usual. An answer that ends with
    /// `...` is the last one, and the connection stays open; an empty one closes it.
    pub(super) answers: Vec<(&'static str, &'static str)>,
}

impl Manner {
    pub(super) fn new(tls: Tls) -> Self {
        let acceptor = accepting(super::super::tls::CERTIFICATE, super::super::tls::KEY);
        Self {
            tls,
            acceptor,
            answers: Vec::new(),
        }
    }

    pub(super) fn but(tls: Tls, answers: &[(&'static str, &'static str)]) -> Self {
        let answers = answers.to_vec();
        Self {
            answers,
            ..Self::new(tls)
        }
    }

    fn answer(&self, line: &str) -> String {
        let of =
            |(begin, answer): &(&str, &'static str)| line.starts_with(begin).then_some(*answer);
        let usual = || match line.split(' ').next().unwrap_or_default() {
            "EHLO" if self.tls == Tls::WhenAsked => {
                "250-mail.example\r\n250-SIZE 1000000\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS"
            }
            "EHLO" => "250-mail.example\r\n250 AUTH PLAIN LOGIN",
            "AUTH" => "235 2.7.0 welcome",
            "DATA" => "354 go ahead",
            "STARTTLS" => "220 2.0.0 ready",
            "QUIT" => "221 bye",
            "." => "250 2.0.0 queued as 1",
            "greeting" => "220 mail.example ESMTP",
            _ => "250 2.1.0 ok",
        };
        let found = self.answers.iter().find_map(of);
        found.map_or_else(|| usual().to_owned(), str::to_owned)
    }
}

/// What came: lines, with `TLS` where it began. The lines of a mail are together.
pub(super) type Came = Arc<Mutex<Vec<String>>>;

pub(super) struct MailServer {
    pub(super) port: u16,
    came: Came,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How the part before TLS ended.
enum Ended {
    Closed,
    BeginTls,
}

/// The next line that is answered. Those of a mail are kept together.
async fn next<S: Stream>(
    stream: &mut BufReader<S>,
    mail: &mut Option<String>,
    came: &Came,
) -> std::io::Result<Option<String>> {
    loop {
        let mut text = String::new();
        if stream.read_line(&mut text).await? == 0 {
            return Ok(None);
        }
        let line = text.trim_end_matches(['\r', '\n']).to_owned();
        match mail {
            Some(mail) if line != "." => mail.push_str(&text),
            Some(_) => {
                came.lock().extend(mail.take());
                return Ok(Some(line));
            }
            None => {
                came.lock().push(line.clone());
                return Ok(Some(line));
            }
        }
    }
}

/// Reads lines and answers them.
async fn talk<S: Stream>(
    stream: S,
    manner: &Manner,
    came: &Came,
    is_encrypted: bool,
) -> std::io::Result<Ended> {
    let mut stream = BufReader::new(stream);
    let mut mail = None;
    // After STARTTLS the client begins.
    let begins = !(is_encrypted && manner.tls == Tls::WhenAsked);
    let mut greeting = begins.then(|| "greeting".to_owned());
    loop {
        let line = match greeting.take() {
            Some(line) => Some(line),
            None => next(&mut stream, &mut mail, came).await?,
        };
        let Some(line) = line else {
            return Ok(Ended::Closed);
        };
        let answer = manner.answer(&line);
        if answer.is_empty() {
            return Ok(Ended::Closed);
        }
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await?;
        if answer.ends_with("...") {
            std::future::pending::<()>().await;
        }
        if line == "DATA" && answer.starts_with("354") {
            mail = Some(String::new());
        }
        if line == "STARTTLS" && answer.starts_with("220") && !is_encrypted {
            return Ok(Ended::BeginTls);
        }
    }
}

impl MailServer {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Came::default();
        let heard = Arc::clone(&came);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (manner, came) = (manner.clone(), Arc::clone(&heard));
                tokio::spawn(async move {
                    if manner.tls == Tls::Silent {
                        std::future::pending::<()>().await;
                    }
                    if manner.tls != Tls::AtOnce {
                        let ended = talk(&mut stream, &manner, &came, false).await;
                        if !matches!(ended, Ok(Ended::BeginTls)) {
                            return;
                        }
                    }
                    if let Ok(mut stream) = manner.acceptor.accept(stream).await {
                        came.lock().push("TLS".to_owned());
                        drop(talk(&mut stream, &manner, &came, true).await);
                        drop(stream.shutdown().await);
                    }
                });
            }
        });
        Self { port, came, task }
    }

    pub(super) fn came(&self) -> Vec<String> {
        self.came.lock().clone()
    }

    /// The address of a sink there, by a name of this machine.
    pub(super) fn url(&self, host: &str, to: &str) -> String {
        format!("smtp://ci%40example.org@{host}:{}?to={to}", self.port)
    }
}
