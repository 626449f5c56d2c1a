//! The port: what every payment service can be asked, and how it answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

use flightline_ledger::Money;
use flightline_ledger::codes::BadCode;

use crate::currency;

/// What an ask returns: boxed, so that services can stand behind one `dyn PaymentService`.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 'a>>;

/// A payment service.
///
/// Every ask names its effect. Asking again for the same effect with the same details does nothing
/// new and answers as the first time; with other details it is refused
/// ([`DIFFERENT_DETAILS`](Refusal::DIFFERENT_DETAILS)). An effect that another one has brought
/// about already (a second capture of the whole amount, a second void) is [`Answer::Done`] too.
///
/// [`Answer::Unknown`] says that the effect may or may not have happened: ask again, at any time
/// and as often as it takes. Only the two other answers are final.
pub trait PaymentService: Send + Sync + fmt::Debug {
    /// A short stable name, such as `stripe`.
    fn name(&self) -> &'static str;

    /// Whether this service moves no real money.
    fn is_test(&self) -> bool;

    /// Reserves the amount with the payer, without taking it.
    fn authorise<'a>(&'a self, request: &'a AuthoriseRequest) -> Asked<'a, Authorised>;

    /// Takes the amount, at most what was authorised, in the currency of the authorisation. What
    /// is left of the authorisation is released: there is one capture of a payment.
    fn capture<'a>(&'a self, effect: EffectId, reference: &'a str, amount: Money) -> Asked<'a, ()>;

    /// Gives an authorisation up that has not been captured.
    fn void<'a>(&'a self, effect: EffectId, reference: &'a str) -> Asked<'a, ()>;

    /// Gives money back that was captured, at most what has not been given back yet, in the
    /// currency of the authorisation. A payment may have several refunds, each an effect.
    fn refund<'a>(
        &'a self,
        effect: EffectId,
        reference: &'a str,
        amount: Money,
    ) -> Asked<'a, Refunded>;

    /// The payment that an authorise effect opened, when the service's books have one.
    ///
    /// `None` is no proof that there will be none: an ask may be on its way still, and a service's
    /// index may lag behind its books. To settle an effect, ask for it again instead.
    fn find(&self, authorise: EffectId) -> Asked<'_, Option<Payment>>;

    /// What the service's books say of a payment now.
    fn payment<'a>(&'a self, reference: &'a str) -> Asked<'a, Payment>;
}

/// Identity of one effect: 128 bits, derived by whoever asks from what the effect is for, so that
/// the same effect has the same id after any restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub u128);

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for EffectId {
    type Err = BadCode;

    fn from_str(s: &str) -> Result<Self, BadCode> {
        const BAD: BadCode = BadCode("an effect id is 32 lower-case hexadecimal digits");
        if s.len() != 32 || s.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(BAD);
        }
        u128::from_str_radix(s, 16).map(EffectId).map_err(|_| BAD)
    }
}

/// A reservation of money to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthoriseRequest {
    /// The effect.
    pub effect: EffectId,
    /// The order that is paid, as people should find it in the service's books.
    pub order: String,
    /// The amount, above zero.
    pub amount: Money,
    /// How it is paid, in the service's own words: for Stripe a payment method.
    pub method: String,
    /// More for the service's books: no personal data. At most [`AuthoriseRequest::METADATA_MAX`]
    /// pairs.
    pub metadata: Vec<(String, String)>,
    /// How long ago this effect was first asked for, in milliseconds; 0 when this is the first
    /// time. Services forget idempotency keys after a day or so: an ask older than that looks for
    /// what the first one did before it does anything.
    pub asked_ms_ago: u64,
}

impl AuthoriseRequest {
    /// The most pairs of metadata.
    pub const METADATA_MAX: usize = 20;
    /// The longest order text, in bytes.
    pub const ORDER_BYTES_MAX: usize = 100;
    /// The longest method text, in bytes.
    pub const METHOD_BYTES_MAX: usize = 200;
    /// Keys of metadata that start so are the services' own.
    pub const RESERVED_PREFIX: &str = "flightline_";

    /// What no service should be asked for, whatever it would say. Each adapter starts with it, so
    /// that all refuse the same.
    pub fn check(&self) -> Result<(), Refusal> {
        check_amount(self.amount)?;
        if self.order.is_empty() || self.order.len() > Self::ORDER_BYTES_MAX {
            return Err(Refusal::invalid(
                "invalid_order",
                format!(
                    "the order's name must have 1 to {} bytes",
                    Self::ORDER_BYTES_MAX
                ),
            ));
        }
        let is_plain = |b: u8| b.is_ascii_graphic();
        if self.method.is_empty()
            || self.method.len() > Self::METHOD_BYTES_MAX
            || !self.method.bytes().all(is_plain)
        {
            return Err(Refusal::invalid(
                "invalid_method",
                format!(
                    "the payment method must have 1 to {} visible ASCII characters",
                    Self::METHOD_BYTES_MAX
                ),
            ));
        }
        if self.metadata.len() > Self::METADATA_MAX {
            return Err(Refusal::invalid(
                "invalid_metadata",
                format!("at most {} pairs of metadata", Self::METADATA_MAX),
            ));
        }
        for (i, (key, value)) in self.metadata.iter().enumerate() {
            let is_key = (1..=40).contains(&key.len())
                && key
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
                && !key.starts_with(Self::RESERVED_PREFIX);
            let is_twice = self.metadata[..i].iter().any(|(k, _)| k == key);
            if !is_key || is_twice || value.is_empty() || value.len() > 500 {
                return Err(Refusal::invalid(
                    "invalid_metadata",
                    format!(
                        "pair {} of the metadata: a key has 1 to 40 letters, digits, _ or -, \
                         stands once and does not start with {}; a value has 1 to 500 bytes",
                        i + 1,
                        Self::RESERVED_PREFIX
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Whether an amount can be paid at all: above zero, in a currency whose decimals are its own.
pub(crate) fn check_amount(amount: Money) -> Result<(), Refusal> {
    if amount.minor <= 0 {
        return Err(Refusal::invalid(
            "invalid_amount",
            format!("the amount must be above 0, it is {}", amount.minor),
        ));
    }
    match currency::exponent(amount.currency.as_str()) {
        Some(exponent) if exponent == amount.exponent => Ok(()),
        Some(exponent) => Err(Refusal::invalid(
            "invalid_amount",
            format!(
                "{} has {exponent} decimals, the amount was given with {}",
                amount.currency, amount.exponent
            ),
        )),
        None => Err(Refusal::invalid(
            "invalid_currency",
            format!("{} is not a currency of ISO 4217", amount.currency),
        )),
    }
}

/// A service's answer.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It is so: by this ask, or by an earlier one.
    Done(T),
    /// It is not so, and asking again will not change that.
    Refused(Refusal),
    /// Nobody can tell: ask again, for the same effect.
    Unknown(Unknown),
}

impl<T> Answer<T> {
    /// The same answer about something made of this one.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Done(value) => Answer::Done(f(value)),
            Answer::Refused(refusal) => Answer::Refused(refusal),
            Answer::Unknown(unknown) => Answer::Unknown(unknown),
        }
    }

    /// Whether the effect is known to be there.
    pub fn is_done(&self) -> bool {
        matches!(self, Answer::Done(_))
    }

    /// Whether the outcome has to be asked for again.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Answer::Unknown(_))
    }
}

/// Money is reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorised {
    /// The service's name for the payment: capture, void and refund take it.
    pub reference: String,
}

/// Money is on its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// The service's name for the refund.
    pub refund: String,
    /// The service took it on but has not carried it out: a later failure comes as a
    /// [`PaymentFact`](super::PaymentFact).
    pub is_pending: bool,
}

/// A service said no, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose fault it is, in a word.
    pub kind: RefusalKind,
    /// The service's code, such as `insufficient_funds`.
    pub code: String,
    /// The service's message for people.
    pub message: String,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalKind {
    /// The payer's side said no: another method may do.
    Declined,
    /// The payment is in a state in which this cannot be done, such as captured or voided.
    State,
    /// The request itself is not acceptable: unknown reference, method or currency, bad amount.
    Invalid,
}

impl Refusal {
    /// The code when an effect is asked for again with other details than the first time.
    pub const DIFFERENT_DETAILS: &str = "different_details";
    /// The code when only the payer in person could approve the payment (3-D Secure), who is not
    /// there.
    pub const AUTHENTICATION_REQUIRED: &str = "authentication_required";

    pub(crate) fn new(
        kind: RefusalKind,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
        }
    }

    pub(crate) fn invalid(code: &str, message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, code, message)
    }

    pub(crate) fn different_details(effect: EffectId) -> Self {
        Self::invalid(
            Self::DIFFERENT_DETAILS,
            format!("effect {effect} was asked for before with other details"),
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// Nobody can tell whether the effect happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Why not.
    pub cause: Cause,
    /// What was seen, for people who look into it. Holds no secret and no personal data.
    pub detail: String,
    /// The service asks to be left alone this long, in milliseconds.
    pub pause_ms: Option<u64>,
}

impl Unknown {
    pub(crate) fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            pause_ms: None,
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.name(), self.detail)
    }
}

/// Why an outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// No connection to the service.
    NotReached,
    /// No answer in time.
    TimedOut,
    /// The connection broke before the whole answer was there.
    Dropped,
    /// There was an answer, but not one that we can read.
    Unreadable,
    /// The service reported a fault of its own.
    ServiceFault,
    /// The service is working on it, or on the same effect asked for elsewhere.
    Busy,
    /// Too many requests.
    RateLimited,
    /// The service does not accept our credentials: nothing about the effect follows from that,
    /// and somebody has to correct them.
    Credentials,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 8] = [
        Cause::NotReached,
        Cause::TimedOut,
        Cause::Dropped,
        Cause::Unreadable,
        Cause::ServiceFault,
        Cause::Busy,
        Cause::RateLimited,
        Cause::Credentials,
    ];

    /// The stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::NotReached => "not_reached",
            Cause::TimedOut => "timed_out",
            Cause::Dropped => "dropped",
            Cause::Unreadable => "unreadable",
            Cause::ServiceFault => "service_fault",
            Cause::Busy => "busy",
            Cause::RateLimited => "rate_limited",
            Cause::Credentials => "credentials",
        }
    }
}

/// A payment in a service's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The service's name for it.
    pub reference: String,
    /// The authorise effect that opened it, when it was one of ours.
    pub effect: Option<EffectId>,
    /// Where it stands.
    pub state: PaymentState,
    /// What was asked to be authorised.
    pub amount: Money,
    /// What was captured, in minor units of that currency.
    pub captured_minor: i64,
    /// What was given back of that.
    pub refunded_minor: i64,
}

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaymentState {
    /// Opened, with no money reserved yet.
    Open,
    /// Refused by the payer's side.
    Declined,
    /// Reserved.
    Authorised,
    /// Taken. Refunds do not change this, they show in the amounts.
    Captured,
    /// Given up without having been taken.
    Voided,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> AuthoriseRequest {
        AuthoriseRequest {
            effect: EffectId(7),
            order: "ord_1".into(),
            amount: Money::from_decimal("120.00", "USD".parse().unwrap(), 2).unwrap(),
            method: "pm_1".into(),
            metadata: vec![("client".into(), "c1".into())],
            asked_ms_ago: 0,
        }
    }

    #[test]
    fn effect_ids_are_read_as_they_are_written() {
        let id = EffectId(0xab);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "ab", &"A".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert!(bad.parse::<EffectId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_are_checked_alike_for_every_service() {
        assert_eq!(request().check(), Ok(()));
        let code = |change: &dyn Fn(&mut AuthoriseRequest)| {
            let mut r = request();
            change(&mut r);
            r.check().expect_err("should be refused").code
        };
        assert_eq!(code(&|r| r.amount.minor = 0), "invalid_amount");
        assert_eq!(code(&|r| r.amount.minor = -1), "invalid_amount");
        assert_eq!(code(&|r| r.amount.exponent = 0), "invalid_amount");
        assert_eq!(
            code(&|r| r.amount.currency = "QQQ".parse().unwrap()),
            "invalid_currency"
        );
        assert_eq!(code(&|r| r.order.clear()), "invalid_order");
        assert_eq!(code(&|r| r.method = "pm 1".into()), "invalid_method");
        assert_eq!(code(&|r| r.method.clear()), "invalid_method");
        for (key, value) in [
            ("", "v"),
            ("a[b]", "v"),
            ("flightline_effect", "v"),
            ("client", "twice"),
            ("k", ""),
        ] {
            assert_eq!(
                code(&|r| r.metadata.push((key.into(), value.into()))),
                "invalid_metadata",
                "{key}"
            );
        }
    }

    #[test]
    fn decimals_are_the_currency_s_own() {
        for (code, exponent, is_right) in [
            ("USD", 2, true),
            ("JPY", 0, true),
            ("KWD", 3, true),
            ("JPY", 2, false),
            ("KWD", 2, false),
        ] {
            let amount = Money {
                minor: 1000,
                currency: code.parse().unwrap(),
                exponent,
            };
            assert_eq!(check_amount(amount).is_ok(), is_right, "{code} {exponent}");
        }
    }
}
