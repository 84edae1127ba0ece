//! One call under a grant: read, judged, recorded, forwarded, cut.
//!
//! Promises: what is judged is, byte for byte, what is forwarded; forwarding
//! takes a permit, which has one maker; after the exchange is registered the
//! table is asked once more, so that an end in between is not missed; our token
//! goes to the one server of the configuration and nowhere else.
//!
//! Left out on purpose: what happens after kube-apiserver has switched protocols
//! (exec, attach, port-forward). Those are the tunnels.

mod body;
mod headers;
mod protobuf;
mod upstream;
mod words;

use std::sync::Arc;

use brevet_core::{
    audit::{
        event::{CallBegun, CallRefused, CallTarget, Caller, ObjectRef, RefusalSaid},
        text::{List, Text},
    },
    call::Call,
    permit::{Attempt, Permit},
    reason::{Reason, Refusal},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CONNECTION, USER_AGENT},
    request::Parts,
};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use self::{
    body::{Download, Upload},
    upstream::{Upstream, UpstreamError, Used},
    words::{Edge, Format},
};
use super::{
    door::Visitor,
    limits, query, receipt,
    receipt::{Receipt, Receipts},
    reply::{self, Body, Manner},
    stream::Stream,
    streams::{Registered, Streams},
    table::{Admitted, Table},
    token::{Minted, Tokens},
    tunnel::{Tunnels, Upgrade},
};

/// To which every proxy adds whom it speaks for.
pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Forwards calls.
pub(super) struct Forwarder {
    upstream: Upstream,
    table: Arc<Table>,
    tokens: Arc<Tokens>,
    streams: Arc<Streams>,
    receipts: Receipts,
    tunnels: Arc<Tunnels>,
}

/// A call that may be forwarded, all but its body.
struct Outgoing {
    call: Call,
    permit: Permit,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// To leave HTTP behind, where that is asked for.
    upgrade: Option<Upgrade>,
    audit_id: String,
}

/// Why there is nothing of kube-apiserver's to answer with.
struct Failure {
    code: StatusCode,
    message: &'static str,
}

/// What becomes of a call.
type Answer = Result<Response<Body>, Refusal>;

impl Forwarder {
    /// Forwards to the server of `config`.
    pub(super) fn new(
        config: &kube::Config,
        table: Arc<Table>,
        tokens: Arc<Tokens>,
        streams: Arc<Streams>,
        receipts: Receipts,
    ) -> anyhow::Result<Self> {
        Ok(Self { upstream: Upstream::new(config)?, table, tokens, streams, receipts, tunnels: Arc::default() })
    }

    /// What leaves HTTP behind here.
    pub(super) fn tunnels(&self) -> Arc<Tunnels> {
        self.tunnels.clone()
    }

    /// The answer to a call under `grant`, whose inner path is `path`.
    pub(super) async fn answer(
        &self,
        visitor: &Visitor,
        grant: &str,
        path: &str,
        parts: &Parts,
        body: Incoming,
    ) -> Response<Body> {
        let manner = if matches!(path, "/api" | "/apis") { Manner::Text } else { Manner::Object };
        let mut told = receipt::Call {
            audit_id: uuid::Uuid::now_v7().to_string(),
            client_audit_id: client_audit_id(&parts.headers),
            ..receipt::Call::default()
        };
        match self.try_answer(visitor, grant, path, parts, body, &mut told).await {
            Ok(response) => response,
            Err(refusal) => {
                self.receipts.refused(&refused(visitor, grant, path, parts, &told, &refusal)).await;
                reply::refusal(&refusal, manner)
            }
        }
    }

    async fn try_answer(
        &self,
        visitor: &Visitor,
        grant: &str,
        path: &str,
        parts: &Parts,
        body: Incoming,
        told: &mut receipt::Call,
    ) -> Answer {
        let query = parts.uri.query().unwrap_or_default();
        let call = Call::read(parts.method.as_str(), path, query)?;
        (told.verb, told.target) = describe(&call);
        let attempt = Attempt { grant, caller: &visitor.caller, call: &call };
        let Admitted { permit, about, deadline, limits } = self.table.permit(&attempt)?;
        headers::check(&parts.headers)?;
        let upgrade = match headers::is_upgrade(&parts.headers) {
            true => Some(Upgrade::asked(parts, &body)?),
            false => None,
        };
        told.is_long_running = permit.is_long_running();
        let query = match &call {
            Call::Resource(resource) if resource.verb == "watch" => query::clamp_timeout(query, deadline.left()),
            _ => query.into(),
        };
        if Call::read(parts.method.as_str(), path, &query)? != call {
            return Err(Refusal::new(Reason::Malformed, "", "the query can be read in two ways"));
        }
        let outgoing = Outgoing {
            call,
            permit,
            method: parts.method.clone(),
            uri: self.uri(path, &query)?,
            headers: parts.headers.clone(),
            upgrade,
            audit_id: told.audit_id.clone(),
        };
        let begun = begun(visitor, &outgoing, path, parts, told);
        let mut open = self.streams.register(about, deadline, limits, told.clone())?;
        let receipt = open.record(begun).await?;
        if !self.table.still_stands(outgoing.permit.grant_name(), outgoing.permit.grant_uid()) {
            let message = "the grant ended at this moment; `kubectl brevet list --mine` shows how";
            return Err(Refusal::new(Reason::Ended, "", message));
        }
        Ok(self.forward(outgoing, receipt, open, body).await)
    }

    /// Forwards what is on record, or answers with what went wrong: the record says how it went either way.
    async fn forward(
        &self,
        outgoing: Outgoing,
        receipt: Receipt,
        mut open: Registered,
        body: Incoming,
    ) -> Response<Body> {
        receipt.spend();
        let stream = open.stream.clone();
        let exchanged = tokio::select! {
            // The end first: it is what breaks the connection.
            biased;
            _ = stream.ended() => Err(late()),
            exchanged = self.exchange(&outgoing, &stream, body) => exchanged,
        };
        let (response, used) = match exchanged {
            Ok(exchanged) => exchanged,
            Err(failure) => {
                // What breaks because the grant is over is no failure; the clock may tell before the timer does.
                let is_over = !stream.is_open();
                let (code, reason, message) = match stream.ending().filter(|_| is_over) {
                    Some(ending) => (StatusCode::FORBIDDEN, Some(Reason::Ended), stream.about.sentence(ending)),
                    None => (failure.code, None, failure.message.to_owned()),
                };
                open.call.status = code.as_u16();
                return reply::status(code, reason, &message);
            }
        };
        open.call.status = response.status().as_u16();
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(upgrade)) = (response.status(), &outgoing.upgrade) {
            let opened = self.tunnels.open(upgrade, &outgoing.call, response, open);
            return opened.unwrap_or_else(|| closing(unasked()));
        }
        if outgoing.permit.is_long_running() && response.status().is_success() {
            open.becomes_stream();
        }
        let (head, body) = response.into_parts();
        let edge = Edge::new(Format::of(&outgoing.call, head.status, &head.headers));
        let mut answer = Response::new(());
        *answer.status_mut() = head.status;
        *answer.headers_mut() = headers::response(&head.headers);
        let size = body.size_hint();
        stream.answers_with(body);
        let answer = answer.map(|()| Download::new(open, edge, used, size).boxed_unsync());
        if outgoing.upgrade.is_some() { closing(answer) } else { answer }
    }

    /// The head of kube-apiserver's answer.
    async fn exchange(
        &self,
        outgoing: &Outgoing,
        stream: &Arc<Stream>,
        body: Incoming,
    ) -> Result<(Response<Incoming>, Option<Used>), Failure> {
        let mut upload =
            if body.is_end_stream() { Upload::Empty } else { Upload::Client { body, stream: stream.clone() } };
        let is_upgrade = outgoing.upgrade.is_some();
        if is_upgrade && !self.tunnels.has_room() {
            return Err(crowded());
        }
        let is_read = matches!(outgoing.method, Method::GET | Method::HEAD);
        let may_repeat = matches!(upload, Upload::Empty) && (is_read || is_upgrade);
        let mut is_repeated = false;
        loop {
            let token = self.token(&outgoing.permit).await?;
            let request = self.request(outgoing, &token, std::mem::replace(&mut upload, Upload::Empty))?;
            let sending = async {
                if is_upgrade {
                    return self.upstream.send_alone(request, stream).await.map(|response| (response, None));
                }
                self.upstream.send(request, stream).await.map(|(response, used)| (response, Some(used)))
            };
            let sent = if outgoing.permit.is_long_running() {
                Ok(sending.await)
            } else {
                tokio::time::timeout(limits::ANSWER_TIMEOUT, sending).await
            };
            let (response, used) = match sent {
                Ok(Ok(sent)) => sent,
                // kube-apiserver may close an unused connection at the moment it is used.
                Ok(Err(UpstreamError::Broken(_))) if may_repeat && !is_repeated && stream.is_open() => {
                    is_repeated = true;
                    continue;
                }
                Ok(Err(error)) => return Err(unreachable(&error)),
                Err(_) => return Err(late()),
            };
            match response.status() {
                StatusCode::UNAUTHORIZED => {
                    self.tokens.forget(outgoing.permit.grant_uid(), &token);
                    if !may_repeat || is_repeated {
                        return Err(not_believed());
                    }
                    is_repeated = true;
                }
                status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => return Err(redirected()),
                StatusCode::SWITCHING_PROTOCOLS if !is_upgrade => return Err(redirected()),
                _ => return Ok((response, used)),
            }
        }
    }

    async fn token(&self, permit: &Permit) -> Result<Arc<Minted>, Failure> {
        self.tokens.of(permit.grant_uid(), permit.identity()).await.map_err(|error| {
            tracing::warn!(grant = permit.grant_name(), error = format!("{:#}", anyhow::Error::new(error)), "no token");
            let message = "the gateway could not get a token for the grant's identity; try again in a moment";
            Failure { code: StatusCode::SERVICE_UNAVAILABLE, message }
        })
    }

    fn request(&self, outgoing: &Outgoing, token: &Minted, upload: Upload) -> Result<Request<Upload>, Failure> {
        let grant = outgoing.permit.grant_name();
        let authority = self.upstream.authority();
        let built = headers::request(&outgoing.headers, &authority, token.secret(), &outgoing.audit_id, grant);
        let message = "the gateway's own headers could not be built";
        let mut headers = built.map_err(|_| Failure { code: StatusCode::INTERNAL_SERVER_ERROR, message })?;
        let mut request = Request::new(upload);
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = outgoing.uri.clone();
        if let Some(upgrade) = &outgoing.upgrade {
            upgrade.ask(&outgoing.headers, &mut headers);
        }
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn uri(&self, path: &str, query: &str) -> Result<Uri, Refusal> {
        let base = self.upstream.base();
        let text = if query.is_empty() { format!("{base}{path}") } else { format!("{base}{path}?{query}") };
        text.parse().map_err(|_| Refusal::new(Reason::Malformed, "", "the path is no path"))
    }
}

/// What is about to be forwarded, for the record.
fn begun(visitor: &Visitor, outgoing: &Outgoing, path: &str, parts: &Parts, told: &receipt::Call) -> CallBegun {
    let grant = &outgoing.permit;
    CallBegun {
        caller: Caller::from(&visitor.caller),
        grant: ObjectRef::new(grant.grant_name(), grant.grant_uid()),
        call: CallTarget::new(&outgoing.call, path),
        is_stream: grant.is_long_running(),
        command: command(&outgoing.call, parts.uri.query().unwrap_or_default()),
        user_agent: text(&parts.headers, &USER_AGENT).into(),
        source: source(&parts.headers).into(),
        audit_id: told.audit_id.as_str().into(),
        client_audit_id: told.client_audit_id.as_str().into(),
    }
}

/// What was refused, for the record.
fn refused(
    visitor: &Visitor,
    grant: &str,
    path: &str,
    parts: &Parts,
    told: &receipt::Call,
    refusal: &Refusal,
) -> CallRefused {
    let call = match Call::read(parts.method.as_str(), path, parts.uri.query().unwrap_or_default()) {
        Ok(call) => CallTarget::new(&call, path),
        Err(_) => CallTarget::unread(parts.method.as_str(), path),
    };
    CallRefused {
        caller: Caller::from(&visitor.caller),
        grant: grant.into(),
        call,
        refusal: RefusalSaid::from(refusal),
        user_agent: text(&parts.headers, &USER_AGENT).into(),
        source: source(&parts.headers).into(),
        client_audit_id: told.client_audit_id.as_str().into(),
    }
}

/// The command line of an exec, which stands in the query.
fn command(call: &Call, query: &str) -> List<Text> {
    match call {
        Call::Resource(call) if call.subresource == "exec" => {
            query::pairs(query).filter(|(key, _)| key == "command").map(|(_, word)| word).collect()
        }
        _ => List::default(),
    }
}

/// Where a call comes from: what kube-apiserver, the last before us, has seen and added.
fn source(headers: &HeaderMap) -> &str {
    let forwarded = headers.get_all(FORWARDED_FOR).iter().next_back();
    let last = forwarded.and_then(|value| value.to_str().ok()).and_then(|value| value.rsplit(',').next());
    last.unwrap_or_default().trim()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Verb and object, or path, for the record.
fn describe(call: &Call) -> (String, String) {
    match call {
        Call::NonResource { verb, path } => (verb.clone(), path.clone()),
        Call::Resource(call) => {
            let mut target = call.resource.clone();
            for (separator, part) in [(".", &call.group), ("/", &call.subresource), (" ", &call.name)] {
                if !part.is_empty() {
                    target.push_str(separator);
                    target.push_str(part);
                }
            }
            if !call.namespace.is_empty() {
                target.push_str(" in ");
                target.push_str(&call.namespace);
            }
            (call.verb.clone(), target)
        }
    }
}

/// The client's choice: recorded, never passed on.
fn client_audit_id(headers: &HeaderMap) -> String {
    let id = headers.get(headers::AUDIT_ID).and_then(|value| value.to_str().ok()).unwrap_or_default();
    id.chars().take(limits::CLIENT_AUDIT_ID_MAX).collect()
}

fn unreachable(error: &UpstreamError) -> Failure {
    tracing::warn!(error = %error, "a call could not be forwarded");
    match error {
        UpstreamError::Connect(_) => Failure {
            code: StatusCode::SERVICE_UNAVAILABLE,
            message: "kube-apiserver cannot be reached; try again in a moment",
        },
        UpstreamError::Broken(_) => Failure {
            code: StatusCode::BAD_GATEWAY,
            message: "the connection to kube-apiserver broke; what you asked for may have been done",
        },
    }
}

fn late() -> Failure {
    let message = "kube-apiserver did not answer in time; what you asked for may have been done";
    Failure { code: StatusCode::GATEWAY_TIMEOUT, message }
}

fn not_believed() -> Failure {
    let message = "kube-apiserver did not accept the grant's identity; try again in a moment";
    Failure { code: StatusCode::SERVICE_UNAVAILABLE, message }
}

fn crowded() -> Failure {
    let message = "too many tunnels are open here; try again in a moment";
    Failure { code: StatusCode::SERVICE_UNAVAILABLE, message }
}

fn unasked() -> Response<Body> {
    let message = "kube-apiserver switched to a protocol that was not asked for";
    reply::status(StatusCode::BAD_GATEWAY, None, message)
}

/// `answer`, and the end of its connection: what the client sends next may not be HTTP.
fn closing(mut answer: Response<Body>) -> Response<Body> {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn redirected() -> Failure {
    let message = "kube-apiserver answered with a redirect, which is never followed";
    Failure { code: StatusCode::BAD_GATEWAY, message }
}
