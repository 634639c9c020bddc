//! The caller of a request, with what handlers share.

use super::access::Caller;
use super::error::{Code, Problem};
use super::scope::{Owned, Shared};
use crate::actor::Asking;
use crate::domain::command::CommandKind;
use crate::domain::id::{ConnectionId, OwnerId};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use std::future::{Ready, ready};
use std::ops::Deref;

/// A caller that was let through, and what handlers share.
pub(super) struct Me {
    pub(super) caller: Caller,
    pub(super) shared: web::Data<Shared>,
}

impl Deref for Me {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Me {
    /// A request of the caller for a connection.
    pub(super) fn asking(
        &self,
        connection: ConnectionId,
        owner: OwnerId,
        kind: CommandKind,
    ) -> Asking {
        let asked_by = self.caller.user;
        Asking {
            connection,
            owner,
            asked_by,
            kind,
        }
    }

    /// The caller's own objects.
    pub(super) fn owned(&self) -> Owned<'_> {
        self.shared.owned(self.caller)
    }
}

impl FromRequest for Me {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// The caller that [`super::auth::admit`] let through. A handler of a public route that asks
    /// for one is refused, whatever the request holds.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().copied();
        let shared = request.app_data::<web::Data<Shared>>().cloned();
        let me = caller.zip(shared);
        let me = me.map(|(caller, shared)| Self { caller, shared });
        let words = "An API token is needed.";
        ready(me.ok_or_else(|| Problem::new(Code::Unauthenticated, words)))
    }
}
