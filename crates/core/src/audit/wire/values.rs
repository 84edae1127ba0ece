//! Numbers, truth, digests, and what may be absent.

use super::{Input, Out, Unreadable, Wire};
use crate::digest::Digest;

impl Wire for u64 {
    fn write(&self, out: &mut Out) {
        out.number(*self);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        input.number()
    }
}

impl Wire for u32 {
    fn write(&self, out: &mut Out) {
        out.number(u64::from(*self));
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        narrow(input)
    }
}

impl Wire for u16 {
    fn write(&self, out: &mut Out) {
        out.number(u64::from(*self));
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        narrow(input)
    }
}

fn narrow<T: TryFrom<u64>>(input: &mut Input<'_>) -> Result<T, Unreadable> {
    let number = input.number()?;
    T::try_from(number).or_else(|_| input.fails("the number before is too large"))
}

impl Wire for bool {
    fn write(&self, out: &mut Out) {
        out.raw(if *self { "true" } else { "false" });
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        if input.has("true") {
            return Ok(true);
        }
        input.expect("false").map(|()| false)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut Out) {
        match self {
            Some(value) => value.write(out),
            None => out.raw("null"),
        }
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        if input.has("null") { Ok(None) } else { T::read(input).map(Some) }
    }
}

impl Wire for Digest {
    fn write(&self, out: &mut Out) {
        out.raw("\"sha256:");
        out.hex(self.as_bytes());
        out.raw("\"");
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        input.expect("\"sha256:")?;
        let mut bytes = [0; 32];
        let digits = input.take(64).map(str::as_bytes);
        let read = digits.and_then(|digits| data_encoding::HEXLOWER.decode_mut(digits, &mut bytes).ok());
        if read.is_none() {
            return input.fails("expected 64 lower-case hex digits before this");
        }
        input.expect("\"")?;
        Ok(Self::from_bytes(bytes))
    }
}
