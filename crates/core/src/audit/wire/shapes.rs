//! Structs and closed lists of words, each declared once with its spelling.

/// A struct whose members stand on the wire in this order, under these names.
macro_rules! record {
    ($(#[doc = $doc:literal])+ $name:ident {
        $(#[doc = $first_doc:literal])+ $first:ident: $first_type:ty = $first_key:literal,
        $($(#[doc = $member_doc:literal])+ $member:ident: $type:ty = $key:literal,)*
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $first_doc])+
            pub $first: $first_type,
            $($(#[doc = $member_doc])+ pub $member: $type,)*
        }

        impl $crate::audit::wire::Wire for $name {
            fn write(&self, out: &mut $crate::audit::wire::Out) {
                out.raw(concat!("{\"", $first_key, "\":"));
                self.$first.write(out);
                $(
                    out.raw(concat!(",\"", $key, "\":"));
                    self.$member.write(out);
                )*
                out.raw("}");
            }

            fn read(
                input: &mut $crate::audit::wire::Input<'_>,
            ) -> Result<Self, $crate::audit::wire::Unreadable> {
                input.expect(concat!("{\"", $first_key, "\":"))?;
                let $first = <$first_type>::read(input)?;
                $(
                    input.expect(concat!(",\"", $key, "\":"))?;
                    let $member = <$type>::read(input)?;
                )*
                input.expect("}")?;
                Ok(Self { $first, $($member,)* })
            }
        }
    };
}

/// A closed list of words, each standing on the wire as itself.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $word_doc:literal])+ $word:ident,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[doc = $word_doc])+ $word,)+ }

        $crate::audit::wire::wire_words!($name { $($word),+ });
    };
}

/// [`words!`] for an enum of another module.
macro_rules! wire_words {
    ($name:ident { $($word:ident),+ }) => {
        impl $crate::audit::wire::Wire for $name {
            fn write(&self, out: &mut $crate::audit::wire::Out) {
                out.raw(match self { $(Self::$word => concat!("\"", stringify!($word), "\"")),+ });
            }

            fn read(
                input: &mut $crate::audit::wire::Input<'_>,
            ) -> Result<Self, $crate::audit::wire::Unreadable> {
                $(if input.has(concat!("\"", stringify!($word), "\"")) {
                    return Ok(Self::$word);
                })+
                input.fails(concat!("expected one of ", $("`", stringify!($word), "` "),+))
            }
        }
    };
}

pub(in crate::audit) use {record, wire_words, words};
