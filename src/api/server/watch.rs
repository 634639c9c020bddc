//! Around every request: sets what its connection does, and sends the answer within the budget.

use super::answers::{IsShared, Sent};
use super::framing::Framing;
use super::paths::{be_lenient, is_ingress};
use super::peers::Doing;
use super::socket::Gate;
use crate::api::access::Caller;
use crate::api::error::{Code, Problem};
use crate::api::scope::Shared;
use crate::telemetry::{Limit, limit_reached};
use actix_http::ConnectionType;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};
use std::rc::Rc;

/// How the request's body is framed, as the parser has found it; `None` without one.
fn body_of(request: &ServiceRequest) -> Option<Framing> {
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return Some(Gate::CHUNKED);
    }
    let length = request.headers().get(CONTENT_LENGTH)?.to_str().ok()?;
    let length = length.parse().ok().filter(|length| *length > 0)?;
    Some(Framing::Length(length))
}

const CLOSE: ConnectionType = ConnectionType::Close;

/// Whether the parser takes all that follows for something else than requests.
fn is_tunnel(request: &ServiceRequest) -> bool {
    let is_websocket = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.trim().eq_ignore_ascii_case("websocket")
    };
    let mut upgrades = request.headers().get_all(UPGRADE);
    request.method() == Method::CONNECT || upgrades.any(is_websocket)
}

/// Ends the request when its answer is sent, or is given up.
struct Request(Option<Rc<Gate>>);

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(gate) = &self.0 {
            gate.end();
        }
    }
}

/// Middleware: see the top of this file.
pub(super) async fn watched(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<Sent>, Error> {
    be_lenient(&mut request);
    let gate = request.conn_data::<Rc<Gate>>().cloned();
    let shared = request.app_data::<web::Data<Shared>>().cloned();
    let shared = shared.expect("the server hands its data to every request");
    if let Some(gate) = &gate {
        let is_delivery = is_ingress(request.path());
        let doing = if is_delivery {
            Doing::Delivering
        } else {
            Doing::Asking
        };
        gate.begin(body_of(&request), doing);
    }
    let end = Request(gate);
    let response = if is_tunnel(&request) {
        let problem = Problem::new(Code::BadRequest, "Only HTTP/1.1 is supported.");
        let mut refused = problem.error_response();
        refused.head_mut().set_connection_type(CLOSE);
        request.into_response(refused)
    } else {
        next.call(request).await?
    };
    let caller = response.request().extensions().get::<Caller>().copied();
    let user = caller.map(|caller| caller.user);
    let is_shared = response.response().extensions().get::<IsShared>().is_some();
    let (request, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let budget = &shared.answers;
    let (head, sent) = if let Some(sent) = Sent::new(body, budget, user, is_shared) {
        (head, sent)
    } else {
        limit_reached(Limit::AnswerBytes);
        let words = "Too many large answers are in transfer. Try again after Retry-After.";
        let mut problem = Problem::new(Code::Overloaded, words).error_response();
        // What was sent ahead is not answered as well.
        problem.head_mut().set_connection_type(CLOSE);
        let (head, body) = problem.into_parts();
        let sent = Sent::new(body, budget, None, true);
        (head, sent.expect("a problem is small, which costs nothing"))
    };
    let sent = sent.and_then(move || drop(end));
    Ok(ServiceResponse::new(request, head.set_body(sent)))
}
