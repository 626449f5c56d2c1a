//! What a provider's JSON API answered, document after document, to items.

use super::config::Terms;
use super::gather::Gather;
use crate::connector::{Parsed, Source};
use crate::documents::{self, Documents, Path, Record};
use crate::reject::{Code, Fault, quoted};

/// The most bytes of one record. Real offers have some ten thousand.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// Where a document lies, and what it is about: the records around the others.
const WHOLE: usize = 0;
const DATA: usize = 1;

/// The most records that wait for what they lie in. A pricing has up to six offers.
const HELD_MAX: usize = 64;

/// What a record turned out to be.
pub(crate) enum Found {
    /// One that the format has: it was taken.
    Taken,
    /// None that the format has, with what to say of it if it is not just what stands around others.
    Nothing(String),
    /// None that the format has, and what looks like records inside of it is none either.
    Other(String),
}

/// Takes a record of a format.
pub(crate) type Take = fn(&mut Gather, &Record) -> Result<Found, Fault>;

/// The iterator over a source.
pub(crate) struct Answers<'a> {
    documents: Documents<'a>,
    gather: Gather,
    take: Take,
    finished: bool,
    /// Something came of the document that is read: items, or a reject.
    told: bool,
    paths: &'static [Path],
    /// The field whose records wait.
    waits: Option<&'static str>,
    /// Records that wait for what they lie in to say what it is.
    held: Vec<Record>,
}

impl<'a> Answers<'a> {
    /// `paths`: a document, its `data`, and where its records lie.
    pub(crate) fn new(
        terms: Terms,
        source: Source<'a>,
        paths: &'static [Path],
        take: Take,
    ) -> Self {
        debug_assert!(paths[WHOLE].is_empty() && paths[DATA] == ["data"]);
        Self {
            documents: Documents::new(source.reader, paths, RECORD_BYTES_MAX),
            gather: Gather::new(source.message, terms),
            take,
            finished: false,
            told: false,
            paths,
            waits: None,
            held: Vec::new(),
        }
    }

    /// Records in this field of `data` are what they look like only where `data` does not say that it is
    /// of another type, which can stand behind them.
    pub(crate) fn waiting_in(mut self, field: &'static str) -> Self {
        self.waits = Some(field);
        self
    }

    fn waits(&self, record: &Record) -> bool {
        let path = self.paths[record.path];
        record.fault.is_none() && self.waits.is_some_and(|field| path.contains(&field))
    }

    fn is_data(&self, record: &Record) -> bool {
        self.paths[record.path].last() == Some(&"data")
    }

    fn tell(&mut self, mut record: Record) {
        if let Err(fault) = self.take(&mut record) {
            self.told = true;
            self.gather.reject(record.line, fault, &record.bytes);
        }
    }

    /// What was held is what it looks like.
    fn let_go(&mut self) {
        for record in std::mem::take(&mut self.held) {
            self.tell(record);
        }
    }

    fn take(&mut self, record: &mut Record) -> Result<(), Fault> {
        if let Some(fault) = record.fault.take() {
            return Err(fault);
        }
        let what = match (self.take)(&mut self.gather, record)? {
            Found::Taken => {
                self.told = true;
                return Ok(());
            }
            Found::Other(what) => return Err(Fault::new(Code::UnknownType, what)),
            Found::Nothing(what) => what,
        };
        let is_around = match record.path {
            WHOLE => self.told || is_empty_list(&record.bytes),
            _ if self.is_data(record) => self.told,
            _ => false,
        };
        if is_around {
            return Ok(());
        }
        Err(Fault::new(Code::UnknownType, what))
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

/// The provider answered with an error: what it says of it, in two parts.
pub(crate) fn provider_error(parts: Option<[Option<&str>; 2]>) -> Fault {
    let [first, second] = parts
        .unwrap_or_default()
        .map(|text| quoted(text.unwrap_or_default()));
    let remedy = Code::ProviderError.remedy();
    Fault::new(
        Code::ProviderError,
        format!("the provider answered with an error: {first} {second}; {remedy}"),
    )
}

impl Iterator for Answers<'_> {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        loop {
            if let Some(item) = self.gather.pop() {
                return Some(item);
            }
            if self.finished {
                return None;
            }
            let Some(record) = self.documents.next_record() else {
                self.let_go();
                self.gather.finish();
                self.finished = true;
                continue;
            };
            if self.waits(&record) && self.held.len() < HELD_MAX {
                self.held.push(record);
                continue;
            }
            let is_whole = record.path == WHOLE;
            if self.is_data(&record) && record.fault.is_none() && !self.held.is_empty() {
                match (self.take)(&mut self.gather, &record) {
                    Ok(Found::Other(_)) => self.held.clear(),
                    Ok(_) | Err(_) => self.let_go(),
                }
            } else {
                self.let_go();
            }
            self.tell(record);
            if is_whole {
                self.told = false;
            }
        }
    }
}
