//! The envelope of messages that SITATEX and its likes write to files: named sections, of which the last is the text.
//!
//! ```text
//! =HEADER
//! RCV,2026/11/25 09:12
//! =PRIORITY
//! QN
//! =DESTINATION TYPE B
//! STX,MOWRMSU
//! =ORIGIN
//! KHIRMPK
//! =MSGID
//! 250912
//! =SMI
//! AVS
//! =TEXT
//! ```
//!
//! Only lines that have the form of their section belong to it, so that an envelope which is cut takes no text with it.

/// What a line of an envelope says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A message begins.
    Begin,
    /// Nothing that is needed.
    Nothing,
    /// When it was made: day and time, `DDHHMM`.
    Made(String),
    /// The text begins; what kind of message it is, such as `SSM`, where the envelope said so.
    Text(Option<String>),
}

/// Where in such an envelope a source is.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    open: Option<Section>,
    kind: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Section {
    Header,
    Priority,
    Addresses,
    Made,
    Kind,
}

impl Sections {
    /// Takes a line, without blanks around it and in capitals; `None` for one that is no part of such an envelope.
    pub(crate) fn take(&mut self, text: &str) -> Option<Told> {
        if let Some(name) = text.strip_prefix('=') {
            self.open = match name.split(' ').next().unwrap_or_default() {
                "HEADER" => {
                    self.kind = None;
                    self.open = Some(Section::Header);
                    return Some(Told::Begin);
                }
                "TEXT" => {
                    self.open = None;
                    return Some(Told::Text(self.kind.take()));
                }
                "PRIORITY" => Some(Section::Priority),
                "DESTINATION" | "ORIGIN" => Some(Section::Addresses),
                "MSGID" => Some(Section::Made),
                "SMI" => Some(Section::Kind),
                "DBLSIG" => Some(Section::Priority),
                _ => None,
            };
            return self.open.is_some().then_some(Told::Nothing);
        }
        let section = self.open?;
        let letters = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
        let told = match section {
            Section::Header => {
                (text.starts_with("RCV,") || text.starts_with("SND,")).then_some(Told::Nothing)
            }
            Section::Priority => (text.len() <= 2 && letters(text)).then_some(Told::Nothing),
            Section::Addresses => {
                let address = text.rsplit(',').next().unwrap_or_default();
                (address.len() == 7 && letters(address)).then_some(Told::Nothing)
            }
            Section::Made => text
                .get(..6)
                .filter(|made| made.bytes().all(|b| b.is_ascii_digit()))
                .map(|made| Told::Made(made.to_owned())),
            Section::Kind => (text.len() == 3 && letters(text)).then(|| {
                self.kind = Some(text.to_owned());
                Told::Nothing
            }),
        };
        if told.is_none() {
            self.open = None;
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_tells_its_time_and_kind_and_takes_no_text() {
        let mut sections = Sections::default();
        let mut take = |text: &str| sections.take(text);
        assert_eq!(take("AVS"), None);
        assert_eq!(take("=HEADER"), Some(Told::Begin));
        assert_eq!(take("RCV,2026/11/25 09:12"), Some(Told::Nothing));
        assert_eq!(take("=DESTINATION TYPE B"), Some(Told::Nothing));
        assert_eq!(take("STX,MOWRMSU"), Some(Told::Nothing));
        assert_eq!(take("STX,LEDRMFV"), Some(Told::Nothing));
        assert_eq!(take("=MSGID"), Some(Told::Nothing));
        assert_eq!(take("250912"), Some(Told::Made("250912".to_owned())));
        assert_eq!(take("=SMI"), Some(Told::Nothing));
        assert_eq!(take("AVS"), Some(Told::Nothing));
        assert_eq!(take("=TEXT"), Some(Told::Text(Some("AVS".to_owned()))));
        assert_eq!(take("PK0785Y25DEC AS LHEKHI"), None);
        // Cut behind its header: what follows is text.
        assert_eq!(take("=HEADER"), Some(Told::Begin));
        assert_eq!(take("PK0785Y25DEC AS LHEKHI"), None);
        assert_eq!(take("RCV,2026/11/25 09:12"), None);
        assert_eq!(take("="), None);
    }
}
