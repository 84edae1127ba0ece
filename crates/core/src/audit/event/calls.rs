//! Calls at the gateway.

use super::words::{Caller, ObjectRef, RefusalSaid, Word};
use crate::{
    audit::{
        moment::Moment,
        text::{Identifier, List, Text},
        wire::{record, words},
    },
    call::Call,
};

record! {
    /// What is called: read exactly as kube-apiserver reads it. Never the query.
    CallTarget {
        /// `get`, `list`, …, or the lower-case method of a call that is no resource's.
        verb: Text = "verb",
        /// Empty for the core group.
        group: Text = "group",
        /// Such as `v1`; empty for a call that is no resource's.
        version: Text = "version",
        /// Such as `pods`.
        resource: Text = "resource",
        /// Such as `exec`.
        subresource: Text = "subresource",
        /// Empty for cluster-scoped objects.
        namespace: Text = "namespace",
        /// Empty for collections.
        name: Text = "name",
        /// The inner path as sent.
        path: Text = "path",
    }
}

record! {
    /// A call that is to be forwarded.
    CallBegun {
        /// Who calls: the holder.
        caller: Caller = "caller",
        /// The AccessGrant.
        grant: ObjectRef = "grant",
        /// What.
        call: CallTarget = "call",
        /// Whether it may last: watch, `logs -f`, exec and their like.
        is_stream: bool = "isStream",
        /// The command line of an exec.
        command: List<Text> = "command",
        /// What the client says it is.
        user_agent: Text = "userAgent",
        /// Where it comes from, as far as the door can tell.
        source: Text = "source",
        /// The id of the inner call: ours; kube-apiserver's own audit log has it.
        audit_id: Identifier = "auditID",
        /// The id of the outer call: the client's to choose.
        client_audit_id: Text = "clientAuditID",
    }
}

words! {
    /// How a call went.
    CallOutcome {
        /// Forwarded, and answered to the end.
        Answered,
        /// Forwarded, and ended before its time: by us, the client or kube-apiserver.
        Broken,
        /// Nothing reached kube-apiserver.
        Unsent,
    }
}

record! {
    /// A call is over.
    CallDone {
        /// Place of its `CallBegun`.
        intent: u64 = "intent",
        /// How it went.
        outcome: CallOutcome = "outcome",
        /// The HTTP status; 0: none.
        status: u16 = "status",
        /// Bytes of bodies from the client.
        bytes_up: u64 = "bytesUp",
        /// Bytes of bodies to the client.
        bytes_down: u64 = "bytesDown",
        /// From the begin to the last byte.
        duration_micros: u64 = "durationMicros",
    }
}

record! {
    /// A call that was refused.
    CallRefused {
        /// Who calls.
        caller: Caller = "caller",
        /// The name of a grant in the path, as sent.
        grant: Text = "grant",
        /// What, as far as it could be read.
        call: CallTarget = "call",
        /// Why.
        refusal: RefusalSaid = "refusal",
        /// What the client says it is.
        user_agent: Text = "userAgent",
        /// Where it comes from, as far as the door can tell.
        source: Text = "source",
        /// The id of the outer call: the client's to choose.
        client_audit_id: Text = "clientAuditID",
    }
}

record! {
    /// A call has become a stream.
    StreamOpened {
        /// Place of its `CallBegun`.
        intent: u64 = "intent",
        /// What is spoken in it; empty where it stays HTTP.
        protocol: Text = "protocol",
    }
}

record! {
    /// A stream was ended before its time. The `CallDone` follows.
    StreamCut {
        /// Place of its `CallBegun`.
        intent: u64 = "intent",
        /// Why.
        cause: Word = "cause",
        /// When it was due.
        due: Moment = "due",
        /// How long after that its bytes had stopped.
        late_micros: u64 = "lateMicros",
        /// What became of the last words to the client; empty where there were none.
        told: Text = "told",
    }
}

record! {
    /// A token was minted: the second key that joins kube-apiserver's audit log.
    TokenMinted {
        /// Uid of the AccessGrant it is used for, and no other.
        grant_uid: Text = "grantUID",
        /// Whose token it is.
        identity: ObjectRef = "identity",
        /// Its id (`jti`), which names it without being it.
        token_id: Identifier = "tokenID",
    }
}

impl CallTarget {
    /// A call that could be read.
    #[must_use]
    pub fn new(call: &Call, path: &str) -> Self {
        let (verb, of) = match call {
            Call::NonResource { verb, .. } => (verb, &Default::default()),
            Call::Resource(call) => (&call.verb, call),
        };
        Self {
            verb: Text::new(verb),
            group: Text::new(&of.group),
            version: Text::new(&of.version),
            resource: Text::new(&of.resource),
            subresource: Text::new(&of.subresource),
            namespace: Text::new(&of.namespace),
            name: Text::new(&of.name),
            path: Text::new(path),
        }
    }

    /// One that could not be read: method and path as sent.
    #[must_use]
    pub fn unread(method: &str, path: &str) -> Self {
        let nothing = Call::NonResource { verb: method.to_ascii_lowercase(), path: String::new() };
        Self::new(&nothing, path)
    }
}
