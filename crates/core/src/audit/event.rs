//! What can happen: one closed list.
//!
//! Promises: no free-form maps; every member of every event is on the wire,
//! always, in the order in which it stands here. No member can hold a token
//! ([`Bounded`](super::text::Bounded) takes none in), a request's query, a header
//! but the user agent, or a body.
//!
//! Some events *begin* an act: they are written before it. Another *completes*
//! it and names the first by its place in the chain. A begun act without an end
//! is what a crash leaves.
//!
//! Left out on purpose: lateness that can be computed from two entries.

mod asking;
mod calls;
mod catalogue;
mod granting;
mod keeping;
mod words;

pub use asking::{
    DecisionWeighed, Evaluated, NarrowedTo, RequestClosed, RequestSeen, RulingWord, StageNeeded, TermsSet,
};
pub use calls::{CallBegun, CallDone, CallOutcome, CallRefused, CallTarget, StreamCut, StreamOpened, TokenMinted};
pub use catalogue::{CatalogueChanged, CatalogueKind, Change, GuardBroken, GuardRepaired};
pub use granting::{
    ActDone, ActFailed, Activated, ActivationBegun, ApprovalCounted, DeletionBegun, DriftSeen, EndConfirmed,
    GrantBegun, GrantEnded, GrantMade, ObjectMade, RemovalBegun, RequestKind,
};
pub use keeping::{
    CheckpointWitnessed, Gap, GapCause, KeyRotated, Mode, RecordsRead, Role, Start, Stop, TextErased, Tombstone,
    TombstoneCause, WitnessKind,
};
pub use words::{Caller, Decider, ObjectRef, Person, RefusalSaid, Word};

use super::{
    commitment::{Commitment, Member},
    wire::{Input, Out, Unreadable, Wire},
};

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $name:ident: $place:ident,)+) => {
        /// One thing that happened.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event {
            $($(#[doc = $doc])+ $name($name),)+
        }

        impl Event {
            /// The name of every kind, as it stands on the wire.
            pub const KINDS: &[&str] = &[$(stringify!($name)),+];

            /// The name of its kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            /// What it has to do with other entries.
            #[must_use]
            pub fn place(&self) -> Place {
                match self {
                    $(Self::$name(event) => places::$place(event),)+
                }
            }
        }

        $(impl From<$name> for Event {
            fn from(event: $name) -> Self {
                Self::$name(event)
            }
        })+

        impl Wire for Event {
            fn write(&self, out: &mut Out) {
                match self {
                    $(Self::$name(event) => {
                        out.raw(concat!("\"kind\":\"", stringify!($name), "\",\"event\":"));
                        event.write(out);
                    })+
                }
            }

            fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
                input.expect("\"kind\":")?;
                $(if input.has(concat!("\"", stringify!($name), "\",\"event\":")) {
                    return $name::read(input).map(Self::$name);
                })+
                input.fails("a kind of event that this version does not have")
            }
        }
    };
}

events! {
    // The most frequent first: that is the order in which a reader compares.
    /// A call is about to be forwarded. Begins.
    CallBegun: begins_call,
    /// A call is over. Completes a `CallBegun`.
    CallDone: completes,
    /// A call was refused, and nothing forwarded.
    CallRefused: alone,
    /// A call has become a stream: kube-apiserver has answered, and bytes flow.
    StreamOpened: during,
    /// A stream was ended before its time.
    StreamCut: during,
    /// The gateway holds a new token of an elevation identity, for one grant.
    TokenMinted: alone,

    /// A request was seen for the first time.
    RequestSeen: alone,
    /// A request was judged by the policies, or by the checks before them.
    Evaluated: alone,
    /// What there is to approve.
    TermsSet: alone,
    /// A decision was read, and counts or does not.
    DecisionWeighed: alone,
    /// A request is over without a grant.
    RequestClosed: alone,

    /// A grant is about to be made. Begins.
    GrantBegun: begins_grant,
    /// It is made. Completes a `GrantBegun`.
    GrantMade: completes,
    /// A grant is about to be brought into force. Begins.
    ActivationBegun: begins_activation,
    /// It is in force, on these objects. Completes an `ActivationBegun`.
    Activated: completes,
    /// What is in force is not what was approved.
    DriftSeen: alone,
    /// A grant is over; its status is about to say so. Begins.
    GrantEnded: begins_act,
    /// Objects of an identity are about to be removed. Begins.
    RemovalBegun: begins_act,
    /// Absence is confirmed, every live gateway has acknowledged; the grant's status is about to say so (I8). Begins.
    EndConfirmed: begins_act,
    /// A finished object is about to be deleted. Begins.
    DeletionBegun: begins_act,
    /// What was begun is done. Completes any act but a call.
    ActDone: completes,
    /// What was begun was not done, or it is not known whether. Completes any act but a call.
    ActFailed: completes,

    /// A role, policy or ClusterRole was found, changed or removed.
    CatalogueChanged: alone,
    /// The admission policies do not stand as shipped: work stops.
    GuardBroken: alone,
    /// They stand as shipped again.
    GuardRepaired: alone,

    /// A process begins to write.
    Start: starts,
    /// A process stops writing, in order.
    Stop: alone,
    /// Something is missing here, and it is known.
    Gap: alone,
    /// From the next checkpoint on another key signs.
    KeyRotated: alone,
    /// A checkpoint lies where this writer cannot rewrite it.
    CheckpointWitnessed: alone,
    /// Entries were removed by the rules of retention.
    Tombstone: alone,
    /// A personal text was erased on request.
    TextErased: alone,
    /// Somebody read records of others.
    RecordsRead: alone,
}

/// What an event has to do with other entries of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It stands alone.
    Alone,
    /// A process begins: what was begun before will not be completed.
    Starts,
    /// It begins an act of that kind.
    Begins(Act),
    /// It belongs to an act that was begun there, and is not completed.
    During(Act, u64),
    /// It completes the act that was begun there.
    Completes(Completion, u64),
}

/// The kinds of acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A call is forwarded.
    Call,
    /// A grant is made.
    Grant,
    /// A grant is brought into force.
    Activation,
    /// Anything else that is changed in the cluster.
    Other,
}

/// Which acts an event can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Exactly that kind.
    Of(Act),
    /// Any but a call.
    AnyButCall,
}

impl Completion {
    /// Whether it can complete such an act.
    #[must_use]
    pub fn fits(self, act: Act) -> bool {
        match self {
            Self::Of(of) => of == act,
            Self::AnyButCall => act != Act::Call,
        }
    }
}

/// What each entry of the list above calls by name.
mod places {
    use super::{Act, ActDone, ActFailed, Activated, CallDone, Completion, GrantMade, Place, StreamCut, StreamOpened};

    pub(super) fn alone<T>(_: &T) -> Place {
        Place::Alone
    }

    pub(super) fn starts<T>(_: &T) -> Place {
        Place::Starts
    }

    pub(super) fn begins_call<T>(_: &T) -> Place {
        Place::Begins(Act::Call)
    }

    pub(super) fn begins_grant<T>(_: &T) -> Place {
        Place::Begins(Act::Grant)
    }

    pub(super) fn begins_activation<T>(_: &T) -> Place {
        Place::Begins(Act::Activation)
    }

    pub(super) fn begins_act<T>(_: &T) -> Place {
        Place::Begins(Act::Other)
    }

    pub(super) fn during(event: &impl Belongs) -> Place {
        Place::During(Act::Call, event.intent())
    }

    pub(super) fn completes(event: &impl Completes) -> Place {
        Place::Completes(event.completion(), event.intent())
    }

    pub(super) trait Belongs {
        fn intent(&self) -> u64;
    }

    pub(super) trait Completes {
        fn completion(&self) -> Completion;
        fn intent(&self) -> u64;
    }

    impl Belongs for StreamOpened {
        fn intent(&self) -> u64 {
            self.intent
        }
    }

    impl Belongs for StreamCut {
        fn intent(&self) -> u64 {
            self.intent
        }
    }

    macro_rules! completes {
        ($($name:ident: $completion:expr,)+) => {
            $(impl Completes for $name {
                fn completion(&self) -> Completion {
                    $completion
                }

                fn intent(&self) -> u64 {
                    self.intent
                }
            })+
        };
    }

    completes! {
        CallDone: Completion::Of(Act::Call),
        GrantMade: Completion::Of(Act::Grant),
        Activated: Completion::Of(Act::Activation),
        ActDone: Completion::AnyButCall,
        ActFailed: Completion::AnyButCall,
    }
}

impl Event {
    /// The personal texts it stands for.
    #[must_use]
    pub fn commitment(&self) -> Option<(Member, Commitment)> {
        match self {
            Self::RequestSeen(event) => event.justification.map(|said| (Member::Justification, said)),
            Self::DecisionWeighed(event) => event.comment.map(|said| (Member::Comment, said)),
            _ => None,
        }
    }
}
