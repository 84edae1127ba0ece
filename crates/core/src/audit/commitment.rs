//! Personal text: the log holds a commitment, the text travels beside it.
//!
//! Promises: the text can be erased without a trace of it left in the chain, and
//! as long as it is there nobody can put another in its place.
//!
//! Left out on purpose: making salts. The caller brings 32 random bytes for each
//! text; without them a short text could be guessed from its commitment.

use std::fmt;

use super::wire::{Input, Out, Unreadable, Wire, words};
use crate::digest::Digest;

/// Before salt and text under the hash, so that no other hash can stand for this one.
const DOMAIN: &[u8] = b"brevet.dev/audit/text/v1\n";

/// Characters of a personal text, as admission bounds justification and comment.
pub const PERSONAL_CHARS_MAX: usize = 1024;

/// Stands for a text without telling anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(Digest);

/// 32 random bytes, used for one text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 32]);

/// A text of a person, with the salt of its commitment. Kept beside the log;
/// printing it shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Personal {
    salt: Salt,
    text: String,
}

words! {
    /// Which member of an entry a personal text belongs to.
    Member {
        /// Why the requester asked.
        Justification,
        /// What somebody who decided wrote.
        Comment,
    }
}

/// The text of one member of one entry, as it travels beside the log. Erasing it is removing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// The entry's place in its chain.
    pub seq: u64,
    /// The member.
    pub member: Member,
    /// Its text and salt.
    pub personal: Personal,
}

impl Salt {
    /// Of fresh random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }
}

impl Personal {
    /// A text, cut at [`PERSONAL_CHARS_MAX`] characters, with a salt used for nothing else.
    #[must_use]
    pub fn new(salt: Salt, text: &str) -> Self {
        Self { salt, text: text.chars().take(PERSONAL_CHARS_MAX).collect() }
    }

    /// What stands for it in the log.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment(Digest::of(&[DOMAIN, &self.salt.0, self.text.as_bytes()].concat()))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(…)")
    }
}

impl Disclosure {
    /// As a line without its end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut out = Out::default();
        self.write(&mut out);
        out.into_bytes()
    }

    /// Reads such a line.
    ///
    /// # Errors
    /// It is not spelled as [`Disclosure::line`] spells it.
    pub fn parse(line: &[u8]) -> Result<Self, Unreadable> {
        let mut input = Input::new(line)?;
        let read = Self::read(&mut input)?;
        input.end().map(|()| read)
    }
}

impl Wire for Disclosure {
    fn write(&self, out: &mut Out) {
        out.raw("{\"seq\":");
        out.number(self.seq);
        out.raw(",\"member\":");
        self.member.write(out);
        out.raw(",\"salt\":\"");
        out.hex(&self.personal.salt.0);
        out.raw("\",\"text\":");
        out.string(&self.personal.text);
        out.raw("}");
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        input.expect("{\"seq\":")?;
        let seq = input.number()?;
        input.expect(",\"member\":")?;
        let member = Member::read(input)?;
        input.expect(",\"salt\":")?;
        let salt = data_encoding::HEXLOWER.decode(input.string()?.as_bytes());
        let Some(salt) = salt.ok().and_then(|bytes| bytes.try_into().ok()) else {
            return input.fails("a salt is 64 lower-case hex digits");
        };
        input.expect(",\"text\":")?;
        let text = input.string()?.into_owned();
        if text.chars().count() > PERSONAL_CHARS_MAX {
            return input.fails("the text before is longer than 1024 characters");
        }
        input.expect("}")?;
        Ok(Self { seq, member, personal: Personal { salt: Salt(salt), text } })
    }
}

impl Wire for Commitment {
    fn write(&self, out: &mut Out) {
        self.0.write(out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        Digest::read(input).map(Self)
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
