//! Tests of the embedded log from inside.
