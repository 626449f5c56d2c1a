//! Tests of the embedded log from inside: on a storage that fails at will, and on journals that were
//! damaged at will.

mod fake_store;
mod journal;
mod on_fake;
