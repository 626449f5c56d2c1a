//! Document after document to items.

use super::wire;
use crate::connector::{Parsed, Source};
use crate::documents::{self, Documents, Path};
use crate::market::{Gather, Terms};
use crate::reject::{Code, Fault, quoted};

/// The most bytes of one offer. Real ones have some thousand.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// A document, the list in it, and the offers of a pricing.
const PATHS: &[Path] = &[
    &[],
    &["data"],
    &["data", "[]"],
    &["data", "flightOffers", "[]"],
    &["[]"],
];
const WHOLE: usize = 0;
const DATA: usize = 1;

/// Takes a record; false when it is of another kind.
pub(super) type Take = fn(&mut Gather, (u64, &[u8]), &wire::Record<'_>) -> Result<bool, Fault>;

/// The iterator over a source.
pub(super) struct Items<'a> {
    documents: Documents<'a>,
    gather: Gather,
    take: Take,
    finished: bool,
    /// Something came of the document that is read.
    took: bool,
}

impl<'a> Items<'a> {
    pub(super) fn new(terms: Terms, source: Source<'a>, take: Take) -> Self {
        Self {
            documents: Documents::new(source.reader, PATHS, RECORD_BYTES_MAX),
            gather: Gather::new(source.message, terms),
            take,
            finished: false,
            took: false,
        }
    }

    fn take(&mut self, record: &documents::Record) -> Result<(), Fault> {
        let wire: wire::Record<'_> = documents::json(&record.bytes)?;
        if let Some(errors) = &wire.errors {
            let first = errors.first();
            let part = |text: Option<&str>| quoted(text.unwrap_or_default());
            return Err(Fault::new(
                Code::ProviderError,
                format!(
                    "the provider answered with an error: {} {}; {}",
                    part(first.and_then(|e| e.title.as_deref())),
                    part(first.and_then(|e| e.detail.as_deref())),
                    Code::ProviderError.remedy()
                ),
            ));
        }
        let place = (record.line, record.bytes.as_slice());
        if (self.take)(&mut self.gather, place, &wire)? {
            self.took = true;
            return Ok(());
        }
        let is_around = matches!(record.path, WHOLE | DATA);
        if is_around && (self.took || is_empty_list(&record.bytes)) {
            return Ok(());
        }
        self.took = true;
        let kind = match wire.r#type.as_deref() {
            Some(kind) => format!("a record of type {}", quoted(kind)),
            None => "a record of no type".to_owned(),
        };
        Err(Fault::new(
            Code::UnknownType,
            format!(
                "{kind} is none that this format has: a flight-offer has itineraries (amadeus-offers), a flight-availability has segments (amadeus-availability)"
            ),
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

impl Iterator for Items<'_> {
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
                Some(fault) => Err(fault),
                None => self.take(&record),
            };
            if let Err(fault) = result {
                self.took = true;
                self.gather.reject(record.line, fault, &record.bytes);
            }
            if record.path == WHOLE {
                self.took = false;
            }
        }
    }
}
