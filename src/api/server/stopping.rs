//! The begin of an orderly stop, for answers that would not end by themselves.

use actix_web::HttpRequest;
use futures_util::future::LocalBoxFuture;
use std::future::Future;
use std::rc::Rc;

/// The signal that the server stops.
#[derive(Clone)]
pub(in crate::api) struct Stopping(Rc<dyn Fn() -> LocalBoxFuture<'static, ()>>);

impl Stopping {
    pub(super) fn new<F: Future<Output = ()> + 'static>(signal: impl Fn() -> F + 'static) -> Self {
        Self(Rc::new(move || Box::pin(signal())))
    }

    /// That of the server of a request; where no server is, none ever stops.
    pub(in crate::api) fn of(request: &HttpRequest) -> Self {
        let found = request.conn_data::<Self>().cloned();
        found.unwrap_or_else(|| Self::new(std::future::pending))
    }

    /// Waits until the server begins to stop.
    pub(in crate::api) async fn begun(&self) {
        (self.0)().await;
    }
}
