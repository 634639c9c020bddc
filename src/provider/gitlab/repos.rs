//! Projects and accounts: finding a project whatever it is called today.

use super::wire::{ProjectBody, TokenBody, UserBody};
use super::{Answer, Identity, LookedUp, ProviderError, Talk, Target, errors};
use crate::domain::repo::Repository;
use crate::domain::user::{Account, scopes_told};

fn repository(answer: &Answer) -> Result<Repository, ProviderError> {
    errors::parse::<ProjectBody>(answer)?
        .into_repository()
        .ok_or_else(|| errors::bad_answer("a project with an impossible name"))
}

/// The project that `target` means: by number when it is known, which stays the same whatever
/// happens to the name. By path else; a path that was given up leads on to the number (301).
pub(super) async fn look_up(s: &mut Talk<'_>, target: &Target) -> Result<LookedUp, ProviderError> {
    let path = match target.repository {
        Some(id) => format!("projects/{id}"),
        None => format!("projects/{}", target.full_name.as_str().replace('/', "%2F")),
    };
    let answer = s.get(s.url(&path)).await?;
    if answer.status.as_u16() != 200 {
        return Ok(Err(answer));
    }
    let found = repository(&answer)?;
    if target.repository.is_none_or(|id| id == found.id) {
        Ok(Ok(found))
    } else {
        Err(errors::bad_answer("another project than asked for"))
    }
}

pub(super) async fn page(
    s: &mut Talk<'_>,
    page: u32,
) -> Result<(Vec<Repository>, bool), ProviderError> {
    let path = format!("projects?membership=true&order_by=id&sort=asc&per_page=100&page={page}");
    let answer = s.get_own(&path).await?;
    let bodies: Vec<ProjectBody> = errors::parse(&answer)?;
    let repositories = bodies
        .into_iter()
        .filter_map(ProjectBody::into_repository)
        .collect();
    let has_next = <super::GitlabDialect as super::Dialect>::has_next(&answer);
    Ok((repositories, has_next))
}

/// The scopes are known of access tokens only: an OAuth token cannot be asked for its own.
pub(super) async fn identity(s: &mut Talk<'_>) -> Result<Identity, ProviderError> {
    let answer = s.get_own("user").await?;
    let user: UserBody = errors::parse(&answer)?;
    let token = s.get_own("personal_access_tokens/self").await;
    let token = token.and_then(|answer| errors::parse::<TokenBody>(&answer));
    Ok(Identity {
        account: Account::told(user.id, &user.username),
        scopes: token.map_or_else(
            |_| Vec::new(),
            |token| scopes_told(token.scopes.iter().map(String::as_str)),
        ),
    })
}
