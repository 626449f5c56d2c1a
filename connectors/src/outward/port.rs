//! The port: what every provider can be asked about a sale of its seats, and how it answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use flightline_ledger::{Cabin, Class, CommandId, Date, FlightKey, Money, ProviderCode, Station};
use serde::Serialize;

/// What an ask returns: boxed, so that providers can stand behind one `dyn OutwardService`.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 'a>>;

/// A provider that wants to be told what was sold from its seats.
///
/// Every ask names its placement. Asking again for the same placement places nothing more, and is
/// answered as the first time. [`Answer::Unknown`] says that it may or may not have been taken: ask
/// again, as often as it takes. Only the two other answers are final.
pub trait OutwardService: Send + Sync + fmt::Debug {
    /// A short stable name, such as `webhook`.
    fn name(&self) -> &'static str;

    /// Asks the provider to take a sale.
    fn place<'a>(&'a self, placement: &'a Placement) -> Asked<'a, Placed>;

    /// Asks the provider to forget a sale, whatever became of it. `reference` is its own name for it, if
    /// it gave one. [`Answer::Done`] means that it has nothing of it, and will take nothing of it any more.
    fn withdraw<'a>(
        &'a self,
        placement: &'a Placement,
        reference: Option<&'a str>,
    ) -> Asked<'a, ()>;

    /// Placements that were answered since the last call, by providers that answer when they like: to be
    /// asked for again at once. Blocking, and called often.
    fn answered(&self) -> Vec<PlacementKey> {
        Vec::new()
    }

    /// Does [`OutwardService::answered`] ever tell anything?
    fn answers_later(&self) -> bool {
        false
    }

    /// Asks the provider to send messages of its feed again that are missing, each named as its references name
    /// it. Those that were asked for before are not asked for again. Gives how many are new; absent = there is
    /// no way to ask. Blocking.
    ///
    /// # Errors
    /// The message cannot be handed over: it is tried again.
    fn ask_again(&self, _missing: &[String]) -> Result<Option<usize>, String> {
        Ok(None)
    }

    /// Placements of which something is kept in files, so that they are known again. Blocking.
    ///
    /// # Errors
    /// The files cannot be listed.
    fn kept(&self) -> Result<Vec<Kept>, String> {
        Ok(Vec::new())
    }

    /// Drops what is kept of placements about which nobody asks any more, and whatever else of what is kept
    /// is too old at this time. Gives how many files went. Blocking.
    ///
    /// # Errors
    /// A file cannot be removed.
    fn forget(&self, _settled: &[PlacementKey], _now: SystemTime) -> Result<usize, String> {
        Ok(0)
    }

    /// Takes the passengers of an order (named as in [`Placement::order`]) out of everything that is kept
    /// here. Gives how many files named them. Doing it again does no harm. Blocking.
    ///
    /// # Errors
    /// A file cannot be read or written.
    fn erase(&self, _order: &str) -> Result<usize, String> {
        Ok(0)
    }
}

/// What is kept of a placement in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub key: PlacementKey,
    /// Its order, as [`Placement::order`].
    pub order: String,
    /// When the last of its files was written.
    pub written: SystemTime,
    /// A file that may name its passengers lies here: a message for the provider to take away, or an answer that
    /// could not be read.
    pub names_people: bool,
}

/// Identity of a placement: 128 bits that follow from the order, so that they are the same after any
/// restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacementKey(pub u128);

impl fmt::Display for PlacementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for PlacementKey {
    type Err = flightline_ledger::codes::BadCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The same form.
        let id: flightline_ledger::order::EffectId = text.parse()?;
        Ok(Self(id.0))
    }
}

/// A sale of a provider's seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Identity.
    pub key: PlacementKey,
    /// Whose seats.
    pub provider: ProviderCode,
    /// The order's id here, as `ord_` and 32 hexadecimal digits.
    pub order: String,
    /// Number of the segment in the order, from 1.
    pub segment: u8,
    /// The order's booking reference here.
    pub booking: String,
    /// The flight.
    pub flight: FlightKey,
    /// Where the passengers board.
    pub board: Station,
    /// Where they leave.
    pub off: Station,
    /// Local day of departure from there.
    pub date: Date,
    /// Departure from there, Unix time in milliseconds.
    pub departs_ms: i64,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class, when one was sold.
    pub class: Option<Class>,
    /// Seats.
    pub seats: u16,
    /// What the client paid for one of them.
    pub price: Money,
    /// The sale in the flight's stream here.
    pub hold: CommandId,
    /// How often this was asked before: 0 = certainly never.
    pub asked_before: u32,
    /// When the order was made here, Unix time in milliseconds: nothing at the provider that is older is it.
    pub since_ms: i64,
    /// Who flies. Empty when their data was erased.
    pub travellers: Vec<Traveller>,
}

/// Somebody who flies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Traveller {
    /// `mr`, `ms`, `mrs`, `miss` or `dr`.
    pub title: String,
    /// `m` or `f`.
    pub gender: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth, `YYYY-MM-DD`.
    pub born_on: String,
    /// Address for mail.
    pub email: String,
    /// With its country's prefix.
    pub phone_number: String,
    /// Of an adult who carries an infant: the infant's place in the list, from 0.
    pub carries: Option<usize>,
}

/// A provider has taken a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its own name for it: 1 to [`Placed::REFERENCE_BYTES_MAX`] bytes.
    pub reference: String,
}

impl Placed {
    /// The longest reference that is kept.
    pub const REFERENCE_BYTES_MAX: usize = 200;

    /// With a name that can be kept; of a provider that gives none, our own.
    pub(crate) fn of(reference: Option<&str>, key: PlacementKey) -> Self {
        let given = reference.map(str::trim).filter(|text| !text.is_empty());
        let reference = match given {
            Some(text) => cut(text, Self::REFERENCE_BYTES_MAX).to_owned(),
            None => key.to_string(),
        };
        Self { reference }
    }
}

/// A provider said no, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its code, such as `UC`: 1 to 200 bytes.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        let code = match cut(code.trim(), 200) {
            "" => "refused",
            code => code,
        };
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// A provider's answer.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It is so: by this ask, or by an earlier one.
    Done(T),
    /// It is not so, and asking again will not change that.
    Refused(Refusal),
    /// Nobody can tell yet, with what is known: ask again, for the same placement.
    Unknown(String),
}

/// The longest beginning of a text that fits.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
