//! Document after document to items.

use crate::connector::{Parsed, Source};
use crate::documents::{self, Documents, Path};
use crate::market::{Gather, Terms};
use crate::reject::{Code, Fault, quoted};

use super::wire;
use super::{change, offer};

/// The most bytes of one offer. Real ones have some ten thousand.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// A document, what it is about, a list of that, and the offers of an offer request.
const PATHS: &[Path] = &[
    &[],
    &["data"],
    &["data", "[]"],
    &["data", "offers", "[]"],
    &["[]"],
];
const WHOLE: usize = 0;
const DATA: usize = 1;

/// The iterator over a source.
pub(super) struct Offers<'a> {
    documents: Documents<'a>,
    gather: Gather,
    finished: bool,
    /// What came of the document that is read: whether anything did.
    took: bool,
}

impl<'a> Offers<'a> {
    pub(super) fn new(terms: Terms, source: Source<'a>) -> Self {
        Self {
            documents: Documents::new(source.reader, PATHS, RECORD_BYTES_MAX),
            gather: Gather::new(source.message, terms),
            finished: false,
            took: false,
        }
    }

    fn take(&mut self, record: &documents::Record) -> Result<(), Fault> {
        let place = (record.line, record.bytes.as_slice());
        let wire: wire::Record<'_> = documents::json(&record.bytes)?;
        if let Some(errors) = &wire.errors {
            let first = errors.first();
            let part = |text: Option<&str>| quoted(text.unwrap_or_default());
            return Err(Fault::new(
                Code::ProviderError,
                format!(
                    "the provider answered with an error: {} {}; {}",
                    part(first.and_then(|e| e.code.as_deref())),
                    part(first.and_then(|e| e.title.as_deref())),
                    Code::ProviderError.remedy()
                ),
            ));
        }
        if let Some(slices) = &wire.slices {
            // An offer request has slices too, but no price: what counts are its offers.
            let is_around = matches!(record.path, WHOLE | DATA) && self.took;
            if wire.total_amount.is_some() || !is_around {
                self.took = true;
                return offer::take(&mut self.gather, place, &wire, slices);
            }
            return Ok(());
        }
        if wire.added.is_some() || wire.removed.is_some() {
            self.took = true;
            return change::take(&mut self.gather, place, &wire);
        }
        if matches!(record.path, WHOLE | DATA) && self.took {
            return Ok(());
        }
        if record.path == WHOLE && is_empty_list(&record.bytes) {
            return Ok(());
        }
        self.took = true;
        Err(Fault::new(
            Code::UnknownType,
            "this is neither an offer (with slices) nor an airline-initiated change (with added and removed)",
        ))
    }
}

/// An answer without results.
fn is_empty_list(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer {
        data: Vec<serde::de::IgnoredAny>,
    }
    documents::json::<Answer>(bytes).is_ok_and(|answer| answer.data.is_empty())
}

impl Iterator for Offers<'_> {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        loop {
            if let Some(item) = self.gather.pop() {
                return Some(item);
            }
            if self.finished {
                return None;
            }
            let Some(mut record) = self.documents.next_record() else {
                self.gather.finish();
                self.finished = true;
                continue;
            };
            let result = match record.fault.take() {
                Some(fault) => {
                    self.took = true;
                    Err(fault)
                }
                None => self.take(&record),
            };
            if let Err(fault) = result {
                self.gather.reject(record.line, fault, &record.bytes);
            }
            if record.path == WHOLE {
                self.took = false;
            }
        }
    }
}
