//! `hookherd auth`: the saved login, so that nothing needs to be set.

use super::access::{Access, Origin, token_of};
use super::address::Address;
use super::client::Client;
use super::failed::{CommandResult, Failed};
use super::output;
use super::output::text_of;
use super::saved::{self, Login};
use super::session::Session;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Read};
use zeroize::Zeroizing;

/// Longest token that is read from standard input.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Auth {
    /// Save the daemon's address and an API token, after checking them.
    ///
    /// The address can be given with --url; the token with --token-file, or
    /// on standard input.
    Login,
    /// Show the daemon and the token in use, where they come from, and the user.
    Status,
    /// Remove the saved login. The token stays valid until it is revoked.
    Logout,
}

pub(super) fn run(command: &Auth, session: &Session) -> CommandResult {
    match command {
        Auth::Login => login(session),
        Auth::Status => status(session),
        Auth::Logout => logout(session),
    }
}

/// The address that was said or set, or what is typed in.
fn address(session: &Session) -> Result<(Address, Origin), Failed> {
    // A saved login that cannot be read is about to be replaced.
    let (address, origin) = session.said().address_before_login()?;
    if origin != Origin::Default || !std::io::stdin().is_terminal() {
        return Ok((address, origin));
    }
    let ask = dialoguer::Input::<String>::new()
        .with_prompt("Address of the daemon")
        .default(address.to_string());
    let text = ask.interact_text()?;
    Ok((Address::parse(&text)?, Origin::Typed))
}

/// The token of the file that was named, or what is typed in or piped in.
fn token(session: &Session) -> Result<(Zeroizing<String>, Origin), Failed> {
    if let Some(found) = session.said().token_of_option()? {
        return Ok(found);
    }
    let input = std::io::stdin();
    let text = if input.is_terminal() {
        let ask = dialoguer::Password::new().with_prompt("API token");
        Zeroizing::new(ask.interact()?)
    } else {
        let mut text = Zeroizing::new(String::new());
        input.lock().take(TOKEN_BYTES_MAX).read_line(&mut text)?;
        text
    };
    Ok((token_of(&text, "standard input")?, Origin::Typed))
}

fn login(session: &Session) -> CommandResult {
    let (address, address_from) = address(session)?;
    let (token, token_from) = token(session)?;
    let login = Login {
        url: address.to_string(),
        token: token.clone(),
    };
    let client = Client::new(Access {
        address,
        address_from,
        token,
        token_from,
    })?;
    let user = client.get("whoami")?;
    let path = saved::save(&login)?;
    let name = text_of(&user, "/name");
    let answer = json!({ "url": login.url, "user": user, "file": path });
    let words = format!(
        "logged in to {} as {name}; saved in {}",
        login.url,
        path.display()
    );
    session.printer.words(&answer, &words);
    // What is set counts before what is saved, which would be a surprise.
    for variable in super::access::in_the_way() {
        output::beside(&format!("{variable} is set and overrides the saved login"));
    }
    Ok(())
}

fn status(session: &Session) -> CommandResult {
    let access = session.said().access()?;
    let (url, url_from) = (access.address.to_string(), access.address_from.clone());
    let token_from = access.token_from.clone();
    let user = Client::new(access)?.get("whoami")?;
    let answer = json!({
        "url": url, "url_from": url_from.to_string(),
        "token_from": token_from.to_string(), "user": user,
    });
    let role = if user["is_admin"] == Value::Bool(true) {
        ", an admin"
    } else {
        ""
    };
    let words = format!(
        "daemon: {url} ({url_from})\ntoken:  from {token_from}\nuser:   {}{role}",
        text_of(&user, "/name")
    );
    session.printer.words(&answer, &words);
    Ok(())
}

fn logout(session: &Session) -> CommandResult {
    let was_saved = saved::forget()?;
    let words = if was_saved {
        "login removed; the token stays valid until it is revoked"
    } else {
        "no saved login"
    };
    let answer = json!({ "forgotten": was_saved });
    session.printer.words(&answer, words);
    Ok(())
}

/// `hookherd whoami`.
pub(super) fn whoami(session: &Session) -> CommandResult {
    session.printer.record(&session.client()?.get("whoami")?);
    Ok(())
}
