//! Answers of the gateway's own making: `Status` objects, JSON, text.
//!
//! Promises: a refusal says why in words for people, in `reason` with
//! Kubernetes' word so that clients act rightly, and in `details.causes` with
//! Brevet's. On `/api` and `/apis`, where kubectl shows a `Status` as "unknown",
//! it is plain text.

use brevet_core::reason::{Reason, Refusal};
use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WARNING},
};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use serde::Serialize;
use serde_json::{Value, json};

/// The body of any answer.
pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Seconds after which a client may try again what could not be decided.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// How a refusal looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// A `Status` object.
    Object,
    /// Plain text, for the discovery roots.
    Text,
}

/// `bytes` as a whole body.
pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Plain text.
pub(super) fn text(code: StatusCode, text: &str) -> Response<Body> {
    with(code, TEXT, text.to_owned())
}

/// Any value as JSON.
pub(super) fn object(code: StatusCode, value: &impl Serialize) -> Response<Body> {
    object_as(code, value, JSON)
}

/// Any value as JSON of a more exact type.
pub(super) fn object_as(code: StatusCode, value: &impl Serialize, content_type: HeaderValue) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => with(code, content_type, bytes),
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR, None, "an answer could not be encoded"),
    }
}

/// A `Status` that says no.
pub(super) fn status(code: StatusCode, reason: Option<Reason>, message: &str) -> Response<Body> {
    let mut response = with(code, JSON, status_object(code, reason, message).to_string());
    if code == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

/// A refusal of a call.
pub(super) fn refusal(refusal: &Refusal, manner: Manner) -> Response<Body> {
    let code = code_of(refusal.reason);
    match manner {
        Manner::Object => status(code, Some(refusal.reason), &refusal.to_string()),
        Manner::Text => {
            let mut response = text(code, &refusal.to_string());
            if code == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
            }
            response
        }
    }
}

/// The same answer, with a warning for whoever reads it; kubectl shows it.
pub(super) fn warned(mut response: Response<Body>, warning: Option<&'static str>) -> Response<Body> {
    let value = warning.and_then(|text| HeaderValue::try_from(format!("299 brevet \"{text}\"")).ok());
    if let Some(value) = value {
        response.headers_mut().insert(WARNING, value);
    }
    response
}

/// The `Status` object itself, for bodies and for the last event of a watch.
pub(super) fn status_object(code: StatusCode, reason: Option<Reason>, message: &str) -> Value {
    let mut object = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": kubernetes_reason(code),
        "code": code.as_u16(),
    });
    if let (Some(reason), Some(fields)) = (reason, object.as_object_mut()) {
        let causes = json!({"causes": [{"reason": reason.name(), "message": message}]});
        fields.insert("details".to_owned(), causes);
    }
    object
}

/// The HTTP status of a refused call.
///
/// Never 404: to `--ignore-not-found`, `wait --for=delete` and `apply` that would
/// mean that the object is not there, while it is the grant that is not.
pub(super) fn code_of(reason: Reason) -> StatusCode {
    match reason {
        Reason::Malformed => StatusCode::BAD_REQUEST,
        Reason::NotServed => StatusCode::NOT_IMPLEMENTED,
        Reason::Stale | Reason::Unguarded | Reason::NotReady | Reason::Unrecorded => StatusCode::SERVICE_UNAVAILABLE,
        Reason::Unauthenticated => StatusCode::UNAUTHORIZED,
        // Without Retry-After: clients do not try again by themselves.
        Reason::TooManyStreams => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FORBIDDEN,
    }
}

/// Kubernetes' word for a status: what its clients act on.
fn kubernetes_reason(code: StatusCode) -> &'static str {
    match code {
        StatusCode::BAD_REQUEST | StatusCode::URI_TOO_LONG => "BadRequest",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => "MethodNotAllowed",
        StatusCode::NOT_ACCEPTABLE => "NotAcceptable",
        StatusCode::GONE => "Expired",
        StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLarge",
        StatusCode::UNPROCESSABLE_ENTITY => "Invalid",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::GATEWAY_TIMEOUT => "Timeout",
        _ => "InternalError",
    }
}

fn with(code: StatusCode, content_type: HeaderValue, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(whole(bytes));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_both_words() {
        let status = status_object(StatusCode::FORBIDDEN, Some(Reason::WindowClosed), "grant `g` ended");
        assert_eq!(status["reason"], "Forbidden");
        assert_eq!(status["details"]["causes"][0]["reason"], "WindowClosed");
        assert_eq!(status["message"], "grant `g` ended");
        assert_eq!(status["code"], 403);
    }

    #[test]
    fn what_could_not_be_decided_may_be_tried_again() {
        let stale = Refusal::new(Reason::Stale, "", "not now");
        for manner in [Manner::Object, Manner::Text] {
            let response = refusal(&stale, manner);
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()["retry-after"], "1");
        }
    }
}
