//! The two heads of an upgrade: what a client may ask for, and what kube-apiserver
//! may agree to.
//!
//! Promises: only WebSocket and SPDY/3.1 are asked for; a subprotocol that is a
//! bearer token never passes; the answer is what was asked, or there is no tunnel.
//!
//! Left out on purpose: WebSocket extensions. Nobody here uses one, and a
//! compressed message could not be followed.

use brevet_core::{
    call::Call,
    reason::{Reason, Refusal},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
    request,
};

use super::speech::Protocol;

/// Offers and choices of exec, attach and port-forward over SPDY.
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// A subprotocol that carries a bearer token: kube-apiserver would believe it.
const BEARER_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// Subprotocols and protocol versions that a client may offer at once.
const OFFERS_MAX: usize = 16;

/// `Origin`, because kube-apiserver refuses a watch over WebSocket without one.
const REQUEST: [HeaderName; 3] = [ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION];
const RESPONSE: [HeaderName; 3] = [SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, STREAM_PROTOCOL];

/// What a connection becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
    Spdy,
}

impl Transport {
    /// As it stands in the headers.
    fn token(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::WebSocket => "websocket",
            Self::Spdy => "SPDY/3.1",
        })
    }

    /// What the one `Upgrade` header asks for.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut upgrades = headers.get_all(UPGRADE).iter();
        let (Some(asked), None) = (upgrades.next(), upgrades.next()) else { return None };
        [Self::WebSocket, Self::Spdy]
            .into_iter()
            .find(|transport| asked.as_bytes().eq_ignore_ascii_case(transport.token().as_bytes()))
    }

    /// What `parts` ask for.
    pub(super) fn asked(parts: &request::Parts) -> Result<Self, Refusal> {
        let says_so = |value: &HeaderValue| {
            value.as_bytes().split(|byte| *byte == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        };
        let is_meant = parts.headers.get_all(CONNECTION).iter().any(says_so);
        match Self::of(&parts.headers) {
            Some(transport) if is_meant && parts.version == Version::HTTP_11 => Ok(transport),
            _ => {
                let message = "only `Upgrade: websocket` and `Upgrade: SPDY/3.1` are served, over HTTP/1.1";
                Err(Refusal::new(Reason::NotServed, "", message))
            }
        }
    }
}

/// Adds to `headers` what makes them ask for `transport`, as `from` did.
pub(super) fn ask(transport: Transport, from: &HeaderMap, headers: &mut HeaderMap) {
    headers.insert(UPGRADE, transport.token());
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    match transport {
        Transport::WebSocket => {
            copy(from, &REQUEST, headers);
            let offers: Vec<_> = offers(from, &SEC_WEBSOCKET_PROTOCOL)
                .filter(|offer| !starts_with_ignoring_case(offer, BEARER_PROTOCOL))
                .collect();
            if let Ok(offers) = HeaderValue::from_str(&offers.join(", "))
                && !offers.is_empty()
            {
                headers.insert(SEC_WEBSOCKET_PROTOCOL, offers);
            }
        }
        Transport::Spdy => {
            for offer in offers(from, &STREAM_PROTOCOL) {
                if let Ok(offer) = HeaderValue::from_str(offer) {
                    headers.append(STREAM_PROTOCOL, offer);
                }
            }
        }
    }
}

/// What kube-apiserver agreed to, if that is what was asked.
pub(super) fn agreed(transport: Transport, call: &Call, headers: &HeaderMap) -> Option<Protocol> {
    if Transport::of(headers) != Some(transport) {
        return None;
    }
    let subresource = match call {
        Call::Resource(call) if call.resource == "pods" && call.group.is_empty() => call.subresource.as_str(),
        _ => "",
    };
    let is_command = matches!(subresource, "exec" | "attach");
    let chosen = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Some(match transport {
        Transport::WebSocket => match chosen(&SEC_WEBSOCKET_PROTOCOL) {
            "v4.channel.k8s.io" | "v5.channel.k8s.io" if is_command => Protocol::Channels,
            "SPDY/3.1+portforward.k8s.io" if subresource == "portforward" => Protocol::TunnelledForward,
            _ => Protocol::OtherWebSocket,
        },
        Transport::Spdy => match chosen(&STREAM_PROTOCOL) {
            "v4.channel.k8s.io" if is_command => Protocol::Spdy,
            _ if subresource == "portforward" => Protocol::SpdyForward,
            _ => Protocol::SpdyText,
        },
    })
}

/// The headers of the answer that opens the tunnel.
pub(super) fn answer(transport: Transport, from: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(UPGRADE, transport.token());
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    copy(from, &RESPONSE, &mut headers);
    headers
}

fn copy(from: &HeaderMap, names: &[HeaderName], to: &mut HeaderMap) {
    for name in names {
        for value in from.get_all(name) {
            to.append(name, value.clone());
        }
    }
}

/// What stands in the lists of `name`.
fn offers<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',').map(str::trim)).filter(|offer| !offer.is_empty()).take(OFFERS_MAX)
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    fn parts(version: Version, headers: &[(&'static str, &'static str)]) -> request::Parts {
        let mut parts = http::Request::new(()).into_parts().0;
        (parts.version, parts.headers) = (version, map(headers));
        parts
    }

    fn call(path: &str) -> Call {
        Call::read("POST", path, "").unwrap()
    }

    #[test]
    fn two_protocols_are_served_and_no_other() {
        let asked = |upgrade| {
            let parts = parts(Version::HTTP_11, &[("connection", "keep-alive, Upgrade"), ("upgrade", upgrade)]);
            Transport::asked(&parts).map_err(|refusal| refusal.reason)
        };
        assert_eq!(asked("websocket"), Ok(Transport::WebSocket));
        assert_eq!(asked("WebSocket"), Ok(Transport::WebSocket));
        assert_eq!(asked("SPDY/3.1"), Ok(Transport::Spdy));
        for other in ["h2c", "TLS/1.0", "websocket, h2c", "SPDY/3", ""] {
            assert_eq!(asked(other), Err(Reason::NotServed), "{other}");
        }
    }

    #[test]
    fn an_upgrade_that_is_not_meant_twice_said_or_over_http2_is_refused() {
        let upgrade = ("upgrade", "websocket");
        for headers in [&[upgrade][..], &[upgrade, upgrade, ("connection", "upgrade")]] {
            assert!(Transport::asked(&parts(Version::HTTP_11, headers)).is_err());
        }
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert!(Transport::asked(&parts(version, &[upgrade, ("connection", "upgrade")])).is_err());
        }
    }

    #[test]
    fn a_bearer_token_among_the_subprotocols_never_passes() {
        let from = map(&[
            ("sec-websocket-protocol", "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.dG9rZW4"),
            ("sec-websocket-protocol", "BASE64URL.Bearer.authorization.k8s.io.dG9rZW4,v4.channel.k8s.io"),
            ("sec-websocket-key", "key"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("x-stream-protocol-version", "v4.channel.k8s.io"),
        ]);
        let mut headers = HeaderMap::new();
        ask(Transport::WebSocket, &from, &mut headers);
        assert_eq!(headers["sec-websocket-protocol"], "v5.channel.k8s.io, v4.channel.k8s.io");
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected =
            ["connection", "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version", "upgrade"];
        assert_eq!(names, expected);
    }

    #[test]
    fn every_version_is_offered_in_its_order() {
        let from = map(&[
            ("x-stream-protocol-version", "v4.channel.k8s.io"),
            ("x-stream-protocol-version", "v3.channel.k8s.io"),
        ]);
        let mut headers = HeaderMap::new();
        ask(Transport::Spdy, &from, &mut headers);
        let offers: Vec<_> = headers.get_all(STREAM_PROTOCOL).iter().collect();
        assert_eq!(offers, ["v4.channel.k8s.io", "v3.channel.k8s.io"]);
    }

    #[test]
    fn what_is_spoken_follows_from_what_was_agreed() {
        let pod = |subresource: &str| call(&format!("/api/v1/namespaces/n/pods/p/{subresource}"));
        let socket = |call: &Call, chosen| {
            let headers = map(&[("upgrade", "websocket"), ("sec-websocket-protocol", chosen)]);
            agreed(Transport::WebSocket, call, &headers)
        };
        let spdy = |call: &Call, chosen| {
            let headers = map(&[("upgrade", "SPDY/3.1"), ("x-stream-protocol-version", chosen)]);
            agreed(Transport::Spdy, call, &headers)
        };
        assert_eq!(socket(&pod("exec"), "v5.channel.k8s.io"), Some(Protocol::Channels));
        assert_eq!(socket(&pod("attach"), "v4.channel.k8s.io"), Some(Protocol::Channels));
        assert_eq!(socket(&pod("exec"), "base64.channel.k8s.io"), Some(Protocol::OtherWebSocket));
        // Its channels are ports, two each: the third is nobody's error channel.
        assert_eq!(socket(&pod("portforward"), "v4.channel.k8s.io"), Some(Protocol::OtherWebSocket));
        assert_eq!(socket(&pod("portforward"), "SPDY/3.1+portforward.k8s.io"), Some(Protocol::TunnelledForward));
        assert_eq!(socket(&pod("proxy"), "v4.channel.k8s.io"), Some(Protocol::OtherWebSocket));
        assert_eq!(spdy(&pod("exec"), "v4.channel.k8s.io"), Some(Protocol::Spdy));
        assert_eq!(spdy(&pod("exec"), "v3.channel.k8s.io"), Some(Protocol::SpdyText));
        assert_eq!(spdy(&pod("portforward"), "portforward.k8s.io"), Some(Protocol::SpdyForward));
        let other = map(&[("upgrade", "websocket")]);
        assert_eq!(agreed(Transport::Spdy, &pod("exec"), &other), None);
        assert_eq!(agreed(Transport::WebSocket, &pod("exec"), &HeaderMap::new()), None);
    }
}
