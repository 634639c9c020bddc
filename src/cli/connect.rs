//! `hookherd connect PROVIDER OWNER/REPO`, or many at once after a plan.

mod args;
mod many;
mod plan;

pub(super) use args::Args;

use super::failed::{CommandResult, Failed};
use super::reference::{Place, Reference};
use super::session::Session;
use crate::domain::repo::ProviderKind;

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let Some(text) = &args.which.repository else {
        return many::run(&client.in_bulk(), args, session.printer);
    };
    let (name, host) = named(args, text)?;
    let answer = args::connect(&client, args, &name, host.as_deref())?;
    session.printer.words(&answer, &args::words(&answer));
    Ok(())
}

/// The name of the repository, and its host when one was named.
fn named(args: &Args, text: &str) -> Result<(String, Option<String>), Failed> {
    let place = match Reference::parse(text)? {
        Reference::Repository(place) => place,
        Reference::Id(id) => {
            let words = format!("{id} is already a connection: name a repository as OWNER/REPO");
            return Err(Failed::new(words).coded("bad_reference"));
        }
    };
    let Place { host, path, .. } = &place;
    let name = match args.provider {
        ProviderKind::Github => place.owner_and_name(),
        ProviderKind::Gitlab => path,
    };
    match (&args.how.host, host) {
        (Some(said), Some(found)) if !said.trim().eq_ignore_ascii_case(found) => {
            let words = format!("--host is {said}, but the URL has {found}: omit one of them");
            Err(Failed::new(words).coded("bad_reference"))
        }
        (Some(said), _) => Ok((name.to_owned(), Some(said.trim().to_owned()))),
        (None, found) => Ok((name.to_owned(), found.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_repository_and_host() {
        let named = |words: &str| {
            let args = Args::of(words);
            named(&args, args.which.repository.as_deref().unwrap())
        };
        let pair = |name: &str, host: Option<&str>| (name.to_owned(), host.map(str::to_owned));
        for (words, meant) in [
            ("connect github Octo/App.git/", pair("Octo/App", None)),
            (
                "connect github https://github.com/o/r/pulls",
                pair("o/r", Some("github.com")),
            ),
            (
                "connect gitlab git@gitlab.com:g/s/p.git",
                pair("g/s/p", Some("gitlab.com")),
            ),
            (
                "connect gitlab https://l.example/g/s/p/-/jobs",
                pair("g/s/p", Some("l.example")),
            ),
            (
                "connect gitlab g/s/p --host l.example",
                pair("g/s/p", Some("l.example")),
            ),
        ] {
            assert_eq!(named(words).unwrap(), meant, "{words}");
        }
        for words in [
            "connect github https://github.com/o/r --host ghe.example",
            "connect github con_01krjbjp8f0000000000000000",
            "connect github octo",
        ] {
            assert_eq!(
                named(words).unwrap_err().code(),
                Some("bad_reference"),
                "{words}"
            );
        }
    }
}
