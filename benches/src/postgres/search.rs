//! Offers in a table, found by an index that has all that a search reads.
