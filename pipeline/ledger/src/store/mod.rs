//! The stored form of a state: what checkpoints are made of.
//!
//! A state follows from its records, so a stored one saves time and nothing else: whoever cannot read
//! it folds from the start. The form is therefore no format for ever, like that of records: it says
//! its version, [`STATE_FORMAT`], and one of another version is refused. What is written is what
//! cannot be worked out: tables, queues and counts that follow from it are made anew when it is read.
//!
//! - `bytes`: numbers and sequences. `codes`: the vocabulary of the field.
//! - `flight`, `holds`: one flight. `ledger`: a partition's seats. The orders' part is in
//!   `order::store`.
//!
//! Structs are taken apart field by field, so that nothing added later is forgotten: it does not
//! compile. Whoever adds something raises [`STATE_FORMAT`].

mod bytes;
mod codes;
mod flight;
mod holds;
mod ledger;

pub use bytes::BadState;
pub(crate) use bytes::{Reader, Stored, Writer};
pub(crate) use flight::{pack, unpack};

/// Version of the stored form. One that is read must have the same.
pub const STATE_FORMAT: u32 = 3;

/// Writes and reads the fields of a struct, in the order given. Fields that are not stored are named after
/// `given`: the reader is told them.
macro_rules! stored {
    ($name:ty { $($field:ident),* $(,)? } given { $($given:ident: $type:ty),* $(,)? }) => {
        impl $name {
            fn put(&self, out: &mut $crate::store::Writer) {
                let Self { $($field,)* $($given: _),* } = self;
                $($crate::store::Stored::put($field, out);)*
            }
            fn get(
                input: &mut $crate::store::Reader<'_>,
                $($given: $type),*
            ) -> Result<Self, $crate::store::BadState> {
                $(let $field = $crate::store::Stored::get(input)?;)*
                Ok(Self { $($field,)* $($given),* })
            }
        }
    };
    ($name:ty { $($field:ident),* $(,)? }) => {
        impl $crate::store::Stored for $name {
            fn put(&self, out: &mut $crate::store::Writer) {
                let Self { $($field),* } = self;
                $($crate::store::Stored::put($field, out);)*
            }
            fn get(
                input: &mut $crate::store::Reader<'_>,
            ) -> Result<Self, $crate::store::BadState> {
                $(let $field = $crate::store::Stored::get(input)?;)*
                Ok(Self { $($field),* })
            }
        }
    };
}

/// Writes the number of an enum's variant and then its fields, and reads them.
macro_rules! variants {
    ($name:ident { $(
        $number:literal = $variant:ident
            $(( $($part:ident),* ))?
            $({ $($field:ident),* })?
    ),* $(,)? }) => {
        impl $crate::store::Stored for $name {
            fn put(&self, out: &mut $crate::store::Writer) {
                match self {
                    $(Self::$variant $(( $($part),* ))? $({ $($field),* })? => {
                        out.byte($number);
                        $($($crate::store::Stored::put($part, out);)*)?
                        $($($crate::store::Stored::put($field, out);)*)?
                    })*
                }
            }
            fn get(
                input: &mut $crate::store::Reader<'_>,
            ) -> Result<Self, $crate::store::BadState> {
                Ok(match input.byte()? {
                    $($number => {
                        $($(let $part = $crate::store::Stored::get(input)?;)*)?
                        $($(let $field = $crate::store::Stored::get(input)?;)*)?
                        Self::$variant $(( $($part),* ))? $({ $($field),* })?
                    })*
                    _ => return Err(input.bad(concat!(
                        "an unknown variant of ",
                        stringify!($name)
                    ))),
                })
            }
        }
    };
}

/// Writes and reads what a struct of one nameless field wraps.
macro_rules! wrapped {
    ($($name:ident),*) => { $(
        impl $crate::store::Stored for $name {
            #[inline]
            fn put(&self, out: &mut $crate::store::Writer) {
                self.0.put(out);
            }
            #[inline]
            fn get(
                input: &mut $crate::store::Reader<'_>,
            ) -> Result<Self, $crate::store::BadState> {
                $crate::store::Stored::get(input).map(Self)
            }
        }
    )* };
}

pub(crate) use {stored, variants, wrapped};
