//! Every wait, size and count of the gateway that is bounded, by name.

use std::time::Duration;

/// A TLS handshake takes no longer.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The headers of a request arrive within this.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers of one request over HTTP/1.1: 256 groups come as one header each.
pub(super) const HEADERS_MAX: usize = 400;

/// All header names and values of one request; 16 KB of them may be groups.
pub(super) const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Path and query of one request.
pub(super) const URI_BYTES_MAX: usize = 16 * 1024;

/// Connections at once. kube-apiserver opens a handful; the rest is somebody else.
pub(super) const CONNECTIONS_MAX: usize = 2_000;

/// Connections at once at the direct door. They are its users' own.
pub(super) const DIRECT_CONNECTIONS_MAX: usize = 20_000;

/// Of them, those of one address, unless a flag says otherwise.
pub(super) const CONNECTIONS_PER_ADDRESS_MAX: usize = 1_000;

/// Streams that a client of the direct door may open and reset before they are seen: h2's own number.
pub(super) const PENDING_RESETS_MAX: usize = 20;

/// Streams of one connection at the direct door that may be reset before they are answered,
/// within [`RESETS_WINDOW`]. kubectl resets a handful.
pub(super) const RESETS_MAX: u32 = 200;
/// See [`RESETS_MAX`].
pub(super) const RESETS_WINDOW: Duration = Duration::from_secs(10);

/// A connection on which nobody was let in, good for a probe or a 401, lasts no longer.
pub(super) const ANONYMOUS_CONNECTION_MAX: Duration = Duration::from_secs(10);

/// Streams on one HTTP/2 connection; kube-apiserver opens another beyond it.
pub(super) const STREAMS_PER_CONNECTION_MAX: u32 = 250;

/// What one HTTP/2 stream may have queued towards the client: it leaves late at a cut.
pub(super) const SEND_BUFFER_BYTES: usize = 16 * 1024;

/// What a client may send ahead on one HTTP/2 stream.
pub(super) const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// What all streams of one HTTP/2 connection may send ahead together: far more than
/// one stream's, so that a stalled upload does not hold up everyone behind kube-apiserver.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// hyper's read and write buffers of one HTTP/1.1 connection, in either direction.
pub(super) const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;

/// Unsent bytes the kernel may hold for an HTTP/2 connection: they cannot be recalled.
pub(super) const NOT_SENT_LOW_WATER_BYTES: u32 = 16 * 1024;

/// Between two HTTP/2 pings of ours, and how long an answer may take.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(20);
/// See [`PING_INTERVAL`].
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// A client certificate is judged again after this, although nothing changed.
pub(super) const CERTIFICATE_RECHECK: Duration = Duration::from_secs(60);

/// Between two looks at the files of the direct door.
pub(super) const FILES_LOOK_EVERY: Duration = Duration::from_secs(5);

/// A bearer token at the direct door. Providers keep theirs below 8 KB; 256 groups need more.
pub(super) const BEARER_BYTES_MAX: usize = 16 * 1024;

/// Groups of one token: as many as a request may carry.
pub(super) const GROUPS_MAX: usize = 256;

/// A username, prefix and all.
pub(super) const USERNAME_BYTES_MAX: usize = 1_024;

/// How far an issuer's clock may be ahead of ours.
pub(super) const CLOCK_SKEW_SECONDS: i64 = 10;

/// From issue to end, a ServiceAccount's token may live this long: so long it counts after its
/// ServiceAccount or pod is gone. What kubelets and `kubectl create token` ask for by default, and a few
/// seconds that kubelets add.
pub(super) const ACCOUNT_TOKEN_SECONDS_MAX: i64 = 3_610;

/// Between two looks at the keys of an issuer while all is well.
pub(super) const KEYS_LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// An issuer is asked no more often, whatever tokens come.
pub(super) const KEYS_LOOK_EVERY_MIN: Duration = Duration::from_secs(5);

/// How long an issuer that does not answer is still believed. Nobody gets a new token
/// from it meanwhile, and those that are out rarely live longer.
pub(super) const KEYS_BELIEVED: Duration = Duration::from_secs(60 * 60);

/// Keys of one issuer that are read.
pub(super) const KEYS_MAX: usize = 32;

/// Both questions to an issuer.
pub(super) const ISSUER_TIMEOUT: Duration = Duration::from_secs(10);

/// One answer of an issuer.
pub(super) const ISSUER_BYTES_MAX: usize = 256 * 1024;

/// Connecting to kube-apiserver, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// kube-apiserver ends ordinary calls after 60 s; a little more for its answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);

/// An unused connection to kube-apiserver is dropped after this; it drops them after 90 s.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Unused connections to kube-apiserver that are kept.
pub(super) const IDLE_MAX: usize = 64;

/// A call of our own to kube-apiserver.
pub(super) const OWN_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Between the first and the second step of a cut: time for the last words to leave.
/// Design I2 allows 250 ms in all.
pub(super) const LAST_WORDS_GRACE: Duration = Duration::from_millis(60);

/// Tunnels open at once.
pub(super) const TUNNELS_MAX: usize = 10_000;

/// A frame up to this size is passed on whole, so that words may follow it at any moment.
/// Kubelets write 32 KB at most, and a few bytes of head.
pub(super) const TUNNEL_HELD_BYTES_MAX: u64 = 64 * 1024;

/// What TLS may hold back, in each direction of a tunnel.
pub(super) const TUNNEL_BUFFER_BYTES: usize = 16 * 1024;

/// When one side of a tunnel is done, the other may be silent this long.
pub(super) const TUNNEL_HALF_CLOSED_IDLE: Duration = Duration::from_secs(5);

/// The last words must be on their way within this.
pub(super) const TUNNEL_WORDS_MAX: Duration = Duration::from_millis(100);

/// After them, time for a client to read them before it is shown the end.
/// With [`TUNNEL_WORDS_MAX`] within the 250 ms of design I2.
pub(super) const TUNNEL_HEARD: Duration = Duration::from_millis(80);

/// A client that has been told and does not leave is reset after this. What it sends
/// meanwhile is thrown away.
pub(super) const TUNNEL_DRAIN_MAX: Duration = Duration::from_secs(2);

/// Without a sign of life from kube-apiserver for this long, no new call is admitted (I11).
pub(super) const STALE_AFTER: Duration = Duration::from_secs(5);

/// Without a sign of life for this long, open streams are cut (I11).
pub(super) const STALE_CUT_AFTER: Duration = Duration::from_secs(30);

/// Between two attempts to watch again.
pub(super) const WATCH_RETRY: Duration = Duration::from_millis(500);

/// Events of the views that are remembered for watches that resume.
pub(super) const VIEW_HISTORY_EVENTS: usize = 1_024;

/// A watch of a view ends after this; clients watch again.
pub(super) const VIEW_WATCH_MAX: Duration = Duration::from_secs(30 * 60);

/// Between two bookmarks on a watch of a view.
pub(super) const VIEW_BOOKMARK_INTERVAL: Duration = Duration::from_secs(30);

/// How long an answer of kube-apiserver about a person's rights is believed.
pub(super) const RIGHTS_BELIEVED: Duration = Duration::from_secs(10);

/// Answers about rights that are kept at once.
pub(super) const RIGHTS_KEPT_MAX: u64 = 10_000;

/// The body of an `evaluations` question.
pub(super) const EVALUATION_BYTES_MAX: usize = 64 * 1024;

/// Questions about a caller's standing rights that one evaluation may ask, and how many at once.
pub(super) const QUESTIONS_MAX: usize = 512;
/// See [`QUESTIONS_MAX`].
pub(super) const QUESTIONS_AT_ONCE: usize = 16;

/// Life of an elevation token, in seconds: the least Kubernetes issues.
pub(super) const TOKEN_SECONDS: i64 = 600;

/// A token with less than this left is minted again while it still serves.
pub(super) const TOKEN_RENEW_LEFT: Duration = Duration::from_secs(240);

/// A token with less than this left serves no more.
pub(super) const TOKEN_LEAST_LEFT: Duration = Duration::from_secs(30);

/// A client's Audit-ID is recorded up to this many characters.
pub(super) const CLIENT_AUDIT_ID_MAX: usize = 64;

/// Between two renewals of a replica's Lease.
pub(super) const LEASE_RENEW_INTERVAL: Duration = Duration::from_secs(2);

/// A replica whose Lease is older than this is dead.
pub(super) const LEASE_SECONDS: i32 = 15;

/// On a stop, calls in flight may take this long to end.
pub(super) const DRAIN_GRACE: Duration = Duration::from_secs(5);
