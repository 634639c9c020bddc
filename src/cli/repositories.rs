//! `hookherd repositories PROVIDER`: what a credential of yours can reach.

use super::address::route;
use super::failed::CommandResult;
use super::list::{Listing, Part};
use super::output::Column;
use super::session::Session;
use crate::domain::repo::ProviderKind;

/// How repositories are listed.
const LISTING: Listing = Listing::of("repositories").with(&[
    Column::text("REPOSITORY", "/full_name"),
    Column::text("HOST", "/host"),
    Column::text("ARCHIVED", "/is_archived"),
    Column::text("MAY MANAGE WEBHOOKS", "/can_manage_hooks"),
]);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `github` or `gitlab`.
    #[arg(value_parser = super::provider::parse)]
    provider: ProviderKind,
    /// The provider's host, if several are configured.
    #[arg(long)]
    host: Option<String>,
    /// Only of this user, organisation or group.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    #[command(flatten)]
    part: Part,
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let path = route(&["repositories", args.provider.as_str()])?;
    let filters = [
        ("host", args.host.as_deref()),
        ("owner", args.owner.as_deref()),
    ];
    LISTING.show(session, &client, &path, &filters, &args.part)
}
