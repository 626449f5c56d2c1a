//! Segments to flights and seats.

use flightline_ledger::command::quality;
use flightline_ledger::{Carrier, Class, Station};

use super::segments::{Segment, Segments};
use crate::connector::{Parsed, Source};
use crate::market::{
    CodeTable, Gather, Look, Operator, Shown, Terms, aircraft_code, day_ddmmyy, flight_number,
    minutes_hhmm, settle,
};
use crate::observed::Observed;
use crate::reject::{Code, Fault, quoted};

/// The most classes in one PDI.
const CLASSES_MAX: usize = 26;

/// A flight that is read: its TVL and what follows it.
struct Flight {
    line: u64,
    raw: Vec<u8>,
    travel: Segment,
    looks: Vec<Look>,
    aircraft: [u8; 3],
    stops: String,
    /// Classes of which nothing is told.
    untold: Vec<Class>,
    /// Why it cannot be taken.
    fault: Option<Fault>,
}

/// The iterator over a source.
pub(super) struct Messages<'a> {
    segments: Segments<'a>,
    gather: Gather,
    codes: CodeTable,
    /// Reference of the interchange, and messages in it.
    interchange: Option<(String, u64)>,
    /// Reference of the group of messages, and messages in it: an interchange has groups or messages.
    group: Option<(String, u64)>,
    /// Reference of the message, and segments in it.
    message: Option<(String, u64)>,
    /// It is a PAORES.
    is_known: bool,
    pair: (Option<Station>, Option<Station>),
    flight: Option<Flight>,
    /// An error that the message told, before it was known whether flights stand beside it.
    error: Option<(Segment, Fault)>,
    /// A flight stood in the message.
    any_flight: bool,
    finished: bool,
    any: bool,
}

fn bad(reason: String) -> Fault {
    Fault::new(
        Code::BadEdifact,
        format!("{reason}; {}", Code::BadEdifact.remedy()),
    )
}

impl<'a> Messages<'a> {
    pub(super) fn new(terms: Terms, codes: CodeTable, source: Source<'a>) -> Self {
        Self {
            segments: Segments::new(source.reader),
            gather: Gather::new(source.message, terms),
            codes,
            interchange: None,
            group: None,
            message: None,
            is_known: false,
            pair: (None, None),
            flight: None,
            error: None,
            any_flight: false,
            finished: false,
            any: false,
        }
    }

    fn segment(&mut self, segment: Segment) -> Result<(), Fault> {
        if let Some((_, count)) = &mut self.message {
            *count += 1;
        }
        match segment.tag.as_str() {
            "UNB" => {
                self.interchange = Some((segment.get(5, 1).to_owned(), 0));
                Ok(())
            }
            "UNG" => self.begin_group(&segment),
            "UNE" => self.end_group(&segment),
            "UNH" => self.begin(&segment),
            "UNT" => self.end(&segment),
            "UNZ" => self.end_all(&segment),
            _ if self.message.is_none() => Err(bad(format!(
                "{} stands outside of a message (UNH to UNT)",
                quoted(&segment.tag)
            ))),
            _ if !self.is_known => Ok(()),
            "ODI" => {
                self.end_flight();
                let place = |n: usize| segment.get(n, 1).parse().ok();
                self.pair = (place(1), place(2));
                Ok(())
            }
            "TVL" => {
                self.end_flight();
                // With flights beside it, it is a remark on them, such as that there are no more.
                if let Some((error, _)) = self.error.take() {
                    let text = format!(
                        "the provider tells {} beside its flights: they are taken",
                        quoted(error.get(1, 1))
                    );
                    self.gather.warn(error.line, None, text);
                }
                self.any_flight = true;
                self.flight = Some(Flight {
                    line: segment.line,
                    raw: segment.raw.clone(),
                    travel: segment,
                    looks: Vec::new(),
                    aircraft: [0; 3],
                    stops: String::new(),
                    untold: Vec::new(),
                    fault: None,
                });
                Ok(())
            }
            "PDI" => self.classes(&segment),
            "APD" => {
                if let Some(flight) = &mut self.flight {
                    flight.aircraft = aircraft_code(Some(segment.get(1, 1)));
                    segment.get(1, 2).clone_into(&mut flight.stops);
                }
                Ok(())
            }
            "ERC" if self.any_flight => {
                self.gather.warn(
                    segment.line,
                    None,
                    format!(
                        "the provider tells {} beside its flights: they are taken",
                        quoted(segment.get(1, 1))
                    ),
                );
                Ok(())
            }
            "ERC" => {
                let fault = Fault::new(
                    Code::ProviderError,
                    format!(
                        "the provider answered with error {}; {}",
                        quoted(segment.get(1, 1)),
                        Code::ProviderError.remedy()
                    ),
                );
                self.end_error();
                self.error = Some((segment, fault));
                Ok(())
            }
            // Texts, warnings and what says who asked: nothing of it is about seats.
            _ => Ok(()),
        }
    }

    fn begin(&mut self, segment: &Segment) -> Result<(), Fault> {
        self.end_flight();
        self.end_error();
        self.any_flight = false;
        self.any = true;
        if let Some((_, messages)) = self.group.as_mut().or(self.interchange.as_mut()) {
            *messages += 1;
        }
        self.pair = (None, None);
        let open = self
            .message
            .replace((segment.get(1, 1).to_owned(), 1))
            .map(|(reference, _)| reference);
        let kind = segment.get(2, 1);
        self.is_known = kind == "PAORES";
        if let Some(reference) = open {
            return Err(bad(format!(
                "message {} has no UNT: it may have lost segments",
                quoted(&reference)
            )));
        }
        if !self.is_known {
            return Err(Fault::new(
                Code::UnknownType,
                format!(
                    "a message {} is no PAORES; it was passed over",
                    quoted(kind)
                ),
            ));
        }
        Ok(())
    }

    fn end(&mut self, segment: &Segment) -> Result<(), Fault> {
        self.end_flight();
        self.end_error();
        let Some((reference, count)) = self.message.take() else {
            return Err(bad("UNT without a UNH before it".to_owned()));
        };
        let announced = segment.get(1, 1);
        if announced.parse() != Ok(count) {
            return Err(bad(format!(
                "UNT announces {} segments, but message {} has {count}: some were lost or added; those that came were taken",
                quoted(announced),
                quoted(&reference)
            )));
        }
        if segment.get(2, 1) != reference {
            return Err(bad(format!(
                "UNT ends message {}, but {} is open",
                quoted(segment.get(2, 1)),
                quoted(&reference)
            )));
        }
        Ok(())
    }

    /// A message that is open where it should not be.
    fn end_open(&mut self) -> Result<(), Fault> {
        self.end_flight();
        self.end_error();
        match self.message.take() {
            None => Ok(()),
            Some((reference, _)) => Err(bad(format!(
                "message {} has no UNT: it may have lost segments",
                quoted(&reference)
            ))),
        }
    }

    fn begin_group(&mut self, segment: &Segment) -> Result<(), Fault> {
        if let Some((_, parts)) = &mut self.interchange {
            *parts += 1;
        }
        let open = self.group.replace((segment.get(5, 1).to_owned(), 0));
        self.end_open()?;
        match open {
            None => Ok(()),
            Some((reference, _)) => Err(bad(format!(
                "group {} has no UNE: it may have lost messages",
                quoted(&reference)
            ))),
        }
    }

    fn end_group(&mut self, segment: &Segment) -> Result<(), Fault> {
        let group = self.group.take();
        self.end_open()?;
        let Some((reference, messages)) = group else {
            return Err(bad("UNE without a UNG before it".to_owned()));
        };
        if segment.get(1, 1).parse() != Ok(messages) || segment.get(2, 1) != reference {
            return Err(bad(format!(
                "UNE announces {} messages of group {}, but {messages} of {} came",
                quoted(segment.get(1, 1)),
                quoted(segment.get(2, 1)),
                quoted(&reference)
            )));
        }
        Ok(())
    }

    fn end_all(&mut self, segment: &Segment) -> Result<(), Fault> {
        let group = self.group.take();
        self.end_open()?;
        if let Some((reference, _)) = group {
            return Err(bad(format!(
                "group {} has no UNE: it may have lost messages",
                quoted(&reference)
            )));
        }
        let Some((reference, messages)) = self.interchange.take() else {
            return Err(bad("UNZ without a UNB before it".to_owned()));
        };
        if segment.get(1, 1).parse() != Ok(messages) || segment.get(2, 1) != reference {
            return Err(bad(format!(
                "UNZ announces {} messages or groups of interchange {}, but {messages} of {} came",
                quoted(segment.get(1, 1)),
                quoted(segment.get(2, 1)),
                quoted(&reference)
            )));
        }
        Ok(())
    }

    /// An error without flights is all that the message says.
    fn end_error(&mut self) {
        if let Some((segment, fault)) = self.error.take() {
            self.gather.reject(segment.line, fault, &segment.raw);
        }
    }

    fn classes(&mut self, segment: &Segment) -> Result<(), Fault> {
        let Some(flight) = &mut self.flight else {
            return Err(bad("PDI without a TVL before it".to_owned()));
        };
        let result = classes(&self.codes, segment);
        match result {
            Ok((looks, untold)) => {
                flight.looks.extend(looks);
                flight.untold.extend(untold);
            }
            // The flight is one record: it goes as a whole.
            Err(fault) => {
                flight.fault.get_or_insert(fault);
            }
        }
        Ok(())
    }

    fn end_flight(&mut self) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        let shown = match flight.fault {
            Some(fault) => Err(fault),
            None => shown(&flight.travel, flight.aircraft),
        };
        match shown {
            Err(fault) => self.gather.reject(flight.line, fault, &flight.raw),
            Ok(mut shown) => {
                if !matches!(flight.stops.as_str(), "" | "0") {
                    shown.warnings.push(format!(
                        "it stops {} times on the way, where and when is not told: taken as one leg",
                        quoted(&flight.stops)
                    ));
                }
                if !flight.untold.is_empty() {
                    let classes: Vec<_> = flight.untold.iter().map(Class::to_string).collect();
                    shown.warnings.push(format!(
                        "no status is told of class {}: nothing is taken of it",
                        classes.join(", ")
                    ));
                }
                let observed = Observed {
                    origin: self.pair.0,
                    destination: self.pair.1,
                    ..Observed::default()
                };
                self.gather.journey(
                    (flight.line, &flight.raw),
                    None,
                    &observed,
                    vec![(shown, flight.looks)],
                );
            }
        }
    }
}

/// What is told of classes, and the classes of which nothing is.
fn classes(codes: &CodeTable, segment: &Segment) -> Result<(Vec<Look>, Vec<Class>), Fault> {
    let mut looks = Vec::new();
    let mut untold = Vec::new();
    // The first element says what kind of product it is about, and is empty here.
    for (n, components) in segment.elements.iter().enumerate().skip(1) {
        let (Some(letter), status) = (components.first(), components.get(1)) else {
            continue;
        };
        if letter.is_empty() {
            continue;
        }
        if looks.len() + untold.len() >= CLASSES_MAX {
            return Err(bad(format!("PDI has more than {CLASSES_MAX} classes")));
        }
        let class: Class = letter.parse().map_err(|e| {
            Fault::at(
                Code::BadCode,
                format_args!("PDI element {}", n + 1),
                format_args!("{}: {e}", quoted(letter)),
            )
        })?;
        let status = status.map_or("", String::as_str);
        // A number in another place is none of seats.
        if status.is_empty() {
            untold.push(class);
            continue;
        }
        let meaning = codes.read(&format!("PDI class {class}"), status)?;
        looks.push(Look {
            cabin: None,
            class: Some(class),
            status: meaning.status,
            seats: meaning.seats,
            price: None,
        });
    }
    Ok((looks, untold))
}

/// `TVL+ddmmyy:hhmm:[ddmmyy]:hhmm[:var]+board+off+mkt[:opr]+number[::suffix]`.
fn shown(segment: &Segment, aircraft: [u8; 3]) -> Result<Shown, Fault> {
    let code = |n: usize, component: usize, what: &str| -> Result<Station, Fault> {
        let text = segment.get(n, component);
        text.parse().map_err(|e| {
            Fault::at(
                Code::BadCode,
                format_args!("TVL {what}"),
                format_args!("{}: {e}", quoted(text)),
            )
        })
    };
    let carrier = |component: usize, what: &str| -> Result<Carrier, Fault> {
        let text = segment.get(4, component);
        text.parse().map_err(|e| {
            Fault::at(
                Code::BadCode,
                format_args!("TVL {what}"),
                format_args!("{}: {e}", quoted(text)),
            )
        })
    };
    let board = code(2, 1, "board point")?;
    let off = code(3, 1, "off point")?;
    let marketing = carrier(1, "marketing carrier")?;
    let operating = match segment.get(4, 2) {
        "" => None,
        _ => Some(carrier(2, "operating carrier")?),
    };
    let number = flight_number("TVL flight number", segment.get(5, 1), marketing)?;
    let suffix = Some(segment.get(5, 3));
    let number = number.with_suffix("TVL operational suffix", suffix)?;
    let time = |component: usize, what: &str| {
        let text = segment.get(1, component);
        minutes_hhmm(text).ok_or_else(|| {
            Fault::at(
                Code::BadTime,
                format_args!("TVL {what}"),
                format_args!("{}: a time is HHMM", quoted(text)),
            )
        })
    };
    let date = |text: &str, what: &str| {
        day_ddmmyy(text).ok_or_else(|| {
            Fault::at(
                Code::BadTime,
                format_args!("TVL {what}"),
                format_args!("{}: a date is DDMMYY", quoted(text)),
            )
        })
    };
    let leaves_on = date(segment.get(1, 1), "departure date")?;
    let departs = settle(
        "TVL departure",
        leaves_on,
        time(2, "departure time")?,
        board,
    )?;
    let minute = time(4, "arrival time")?;
    let mut marks = 0;
    let arrives = match (segment.get(1, 3), segment.get(1, 5)) {
        ("", "") => {
            // No day is told: the first on which it arrives after it left.
            let mut day = leaves_on;
            let mut arrives = settle("TVL arrival", day, minute, off)?;
            while arrives.moment.instant_s < departs.moment.instant_s && day.0 < leaves_on.0 + 2 {
                day.0 += 1;
                arrives = settle("TVL arrival", day, minute, off)?;
                marks = quality::REPAIRED_ARRIVAL_DAY;
            }
            arrives
        }
        ("", variation) => {
            let days: i32 = variation
                .parse()
                .ok()
                .filter(|n| (-1..=3).contains(n))
                .ok_or_else(|| {
                    Fault::at(
                        Code::BadTime,
                        "TVL date variation",
                        format_args!("{}: it is -1 to 3", quoted(variation)),
                    )
                })?;
            let day = flightline_ledger::Date(leaves_on.0 + days);
            settle("TVL arrival", day, minute, off)?
        }
        (text, _) => settle("TVL arrival", date(text, "arrival date")?, minute, off)?,
    };
    let mut shown = Shown::one_leg(
        "TVL",
        (marketing, number),
        (board, departs),
        (off, arrives),
        aircraft,
        Operator::told(marketing, operating, None),
        None,
    )?;
    shown.quality |= marks;
    Ok(shown)
}

impl Iterator for Messages<'_> {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        loop {
            if let Some(item) = self.gather.pop() {
                return Some(item);
            }
            if self.finished {
                return None;
            }
            match self.segments.next_segment() {
                None => {
                    self.end_flight();
                    self.end_error();
                    if let Some((reference, _)) = self.message.take() {
                        let fault = Fault::new(
                            Code::Truncated,
                            format!(
                                "the input ends inside of message {}; {}",
                                quoted(&reference),
                                Code::Truncated.remedy()
                            ),
                        );
                        self.gather.reject(self.segments.line(), fault, b"");
                    } else if self.interchange.take().is_some() && self.any {
                        let fault = Fault::new(
                            Code::Truncated,
                            format!("the input ends without UNZ; {}", Code::Truncated.remedy()),
                        );
                        self.gather.reject(self.segments.line(), fault, b"");
                    }
                    self.gather.finish();
                    self.finished = true;
                }
                Some(Err((line, fault, raw))) => {
                    // Nothing is told twice of one cut.
                    if matches!(fault.code, Code::Truncated | Code::Unreadable) {
                        self.message = None;
                        self.interchange = None;
                    } else if let Some((_, count)) = &mut self.message {
                        *count += 1;
                    }
                    self.gather.reject(line, fault, &raw);
                }
                Some(Ok(segment)) => {
                    let (line, raw) = (segment.line, segment.raw.clone());
                    if let Err(fault) = self.segment(segment) {
                        self.gather.reject(line, fault, &raw);
                    }
                }
            }
        }
    }
}
