//! Short ways to run a connector over bytes.

use std::io::{BufReader, Read, Write};

use flightline_connectors::{CanonicalEvent, Options, Parsed, Reject, Source, Warning, format};
use flightline_ledger::{CommandId, ProviderCode};

/// Everything a connector gives for some bytes.
pub(crate) fn parse(name: &str, bytes: &[u8]) -> Vec<Parsed> {
    parse_with(name, &Options::new(), bytes)
}

/// The same with options.
pub(crate) fn parse_with(name: &str, options: &Options, bytes: &[u8]) -> Vec<Parsed> {
    let connector = format(name).unwrap().connector(options).unwrap();
    connector.parse(Source::new("test", bytes)).collect()
}

/// The same, from a reader that gives one byte at a time.
pub(crate) fn parse_bytewise(name: &str, bytes: &[u8]) -> Vec<Parsed> {
    struct OneByte<'a>(&'a [u8]);
    impl Read for OneByte<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(buf.len()).min(1);
            self.0.read(&mut buf[..n])
        }
    }
    let connector = format(name).unwrap().connector(&Options::new()).unwrap();
    let reader = BufReader::with_capacity(1, OneByte(bytes));
    connector.parse(Source::new("test", reader)).collect()
}

pub(crate) fn events(items: &[Parsed]) -> Vec<CanonicalEvent> {
    items
        .iter()
        .filter_map(|item| match item {
            Parsed::Event { event, .. } => Some(event.clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn rejects(items: &[Parsed]) -> Vec<&Reject> {
    items
        .iter()
        .filter_map(|item| match item {
            Parsed::Reject(reject) => Some(reject),
            _ => None,
        })
        .collect()
}

pub(crate) fn warnings(items: &[Parsed]) -> Vec<&Warning> {
    items
        .iter()
        .filter_map(|item| match item {
            Parsed::Warning(warning) => Some(warning),
            _ => None,
        })
        .collect()
}

/// The line an item is about.
pub(crate) fn line(item: &Parsed) -> u64 {
    match item {
        Parsed::Event { line, .. }
        | Parsed::Unplaced { line, .. }
        | Parsed::Numbered { line, .. }
        | Parsed::ReplaceBegin { line, .. }
        | Parsed::ReplaceEnd { line, .. } => *line,
        Parsed::Reject(reject) => reject.line,
        Parsed::Warning(warning) => warning.line,
    }
}

pub(crate) fn ids(items: &[Parsed]) -> Vec<CommandId> {
    let provider: ProviderCode = "tester".parse().unwrap();
    events(items)
        .into_iter()
        .map(|event| event.into_command(provider, 0).0)
        .collect()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}
