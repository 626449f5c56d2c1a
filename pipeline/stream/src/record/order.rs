//! The bodies of commands about orders: after the order's id (16 bytes, low half first), by kind:
//!
//! | kind | what follows |
//! |---|---|
//! | 48 create | offer request (16 bytes), offer, client, terms (1 = at once: method; 2 = later: time to pay; 3, 4 = the same, after the time to wait), list of slices (each a list of segments), passengers, sealed details, total, refund (1 full, 2 penalty: amount, 3 nothing), metadata |
//! | 49 pay | amount, method |
//! | 50 quote cancel, 53 accept changes | – |
//! | 51 confirm cancel | the quote's id (16 bytes) |
//! | 52 set metadata | list of pairs |
//! | 54 effect done | the effect's id (16 bytes), result and what it says (`order_result.rs`) |
//! | 55 claim | the effect's id (16 bytes), replica (8 bytes), until |
//! | 56 flight changed | flight key, offset, change (1 cancelled, 2 displaced: the hold's id, 3 times: station, departure) |
//!
//! A segment is its flight key, bits (1 provider, 2 class, 4 board, 8 off), cabin, seats, what the
//! bits say, price, departure. Kind 5 (settings of orders) has no order: eight integers, ms, in the
//! order of the ledger's fields; then, unless they are 900,000 and none, the time that providers have and
//! the list of the providers that orders are sent to, in order and each once.

use flightline_ledger::ProviderCode;
use flightline_ledger::order::{
    CreateOrder, EffectId, FlightChange, FlightNotice, Metadata, OfferRequestId, OrderAction,
    OrderId, OrderSettings, Payment, QuoteId, RefundTerms, SegmentRequest, Terms,
};

use super::body::{
    get_cabin, get_class, get_flight, get_id, get_money, get_provider, get_station, put_flight,
    put_money, put_provider, put_station,
};
use super::error::{DecodeError, EncodeError};
use super::order_result;
use super::wire::{Reader, put_bytes, put_int, put_uint};

/// What settings say of providers that say nothing of them.
const PLACE_WITHIN_MS: u64 = 900_000;

const CREATE: u8 = 48;
const PAY: u8 = 49;
const QUOTE_CANCEL: u8 = 50;
const CONFIRM_CANCEL: u8 = 51;
const SET_METADATA: u8 = 52;
const ACCEPT_CHANGES: u8 = 53;
const EFFECT_DONE: u8 = 54;
const CLAIM: u8 = 55;
const FLIGHT_CHANGED: u8 = 56;

const INSTANT: u8 = 1;
const HOLD: u8 = 2;
const WAITING_INSTANT: u8 = 3;
const WAITING_HOLD: u8 = 4;

const FULL: u8 = 1;
const PENALTY: u8 = 2;
const NOTHING: u8 = 3;

const CANCELLED: u8 = 1;
const DISPLACED: u8 = 2;
const TIMES: u8 = 3;

mod segment_bits {
    pub(super) const PROVIDER: u8 = 1;
    pub(super) const CLASS: u8 = 2;
    pub(super) const BOARD: u8 = 4;
    pub(super) const OFF: u8 = 8;
    pub(super) const ALL: u8 = 15;
}

pub(super) fn is_kind(kind: u8) -> bool {
    (CREATE..=FLIGHT_CHANGED).contains(&kind)
}

pub(super) fn kind_of(action: &OrderAction) -> u8 {
    match action {
        OrderAction::Create(_) => CREATE,
        OrderAction::Pay(_) => PAY,
        OrderAction::QuoteCancel => QUOTE_CANCEL,
        OrderAction::ConfirmCancel { .. } => CONFIRM_CANCEL,
        OrderAction::SetMetadata(_) => SET_METADATA,
        OrderAction::AcceptChanges => ACCEPT_CHANGES,
        OrderAction::EffectDone { .. } => EFFECT_DONE,
        OrderAction::Claim { .. } => CLAIM,
        OrderAction::FlightChanged(_) => FLIGHT_CHANGED,
    }
}

pub(super) fn put_settings(out: &mut Vec<u8>, settings: &OrderSettings) -> Result<(), EncodeError> {
    for ms in [
        settings.instant_hold_ms,
        settings.pay_by_max_ms,
        settings.pay_grace_ms,
        settings.quote_ms,
        settings.ask_again_first_ms,
        settings.ask_again_max_ms,
        settings.claim_max_ms,
        settings.retire_after_ms,
    ] {
        put_uint(out, ms);
    }
    if !says_of_providers(settings) {
        return Ok(());
    }
    if !is_sorted(&settings.outward) {
        return Err(EncodeError::Bad {
            field: "outward",
            what: "is not in order",
        });
    }
    put_uint(out, settings.place_within_ms);
    put_uint(out, settings.outward.len() as u64);
    for provider in &settings.outward {
        put_provider(out, *provider)?;
    }
    Ok(())
}

fn says_of_providers(settings: &OrderSettings) -> bool {
    settings.place_within_ms != PLACE_WITHIN_MS || !settings.outward.is_empty()
}

fn is_sorted(providers: &[ProviderCode]) -> bool {
    providers.windows(2).all(|pair| pair[0] < pair[1])
}

pub(super) fn get_settings(reader: &mut Reader<'_>) -> Result<OrderSettings, DecodeError> {
    let mut settings = OrderSettings {
        instant_hold_ms: reader.uint("instant_hold_ms")?,
        pay_by_max_ms: reader.uint("pay_by_max_ms")?,
        pay_grace_ms: reader.uint("pay_grace_ms")?,
        quote_ms: reader.uint("quote_ms")?,
        ask_again_first_ms: reader.uint("ask_again_first_ms")?,
        ask_again_max_ms: reader.uint("ask_again_max_ms")?,
        claim_max_ms: reader.uint("claim_max_ms")?,
        retire_after_ms: reader.uint("retire_after_ms")?,
        place_within_ms: PLACE_WITHIN_MS,
        outward: Vec::new(),
    };
    if reader.remaining() > 0 {
        settings.place_within_ms = reader.uint("place_within_ms")?;
        settings.outward = reader.list("outward", get_provider)?;
        if !says_of_providers(&settings) || !is_sorted(&settings.outward) {
            return Err(DecodeError::bad("outward", "is not in its one form"));
        }
    }
    Ok(settings)
}

pub(super) fn put(
    out: &mut Vec<u8>,
    order: OrderId,
    action: &OrderAction,
) -> Result<(), EncodeError> {
    out.extend_from_slice(&order.0.to_le_bytes());
    match action {
        OrderAction::Create(create) => put_create(out, create)?,
        OrderAction::Pay(payment) => {
            put_money(out, payment.amount)?;
            put_bytes(out, payment.method.as_bytes());
        }
        OrderAction::QuoteCancel | OrderAction::AcceptChanges => {}
        OrderAction::ConfirmCancel { quote } => out.extend_from_slice(&quote.0.to_le_bytes()),
        OrderAction::SetMetadata(metadata) => put_metadata(out, metadata),
        OrderAction::EffectDone { effect, result } => {
            out.extend_from_slice(&effect.0.to_le_bytes());
            order_result::put(out, result)?;
        }
        OrderAction::Claim {
            effect,
            replica,
            until_ms,
        } => {
            out.extend_from_slice(&effect.0.to_le_bytes());
            out.extend_from_slice(&replica.to_le_bytes());
            put_int(out, *until_ms);
        }
        OrderAction::FlightChanged(notice) => put_notice(out, notice)?,
    }
    Ok(())
}

pub(super) fn get(
    kind: u8,
    reader: &mut Reader<'_>,
) -> Result<(OrderId, OrderAction), DecodeError> {
    let order = OrderId(wide(reader)?);
    let action = match kind {
        CREATE => OrderAction::Create(Box::new(get_create(reader)?)),
        PAY => OrderAction::Pay(Payment {
            amount: get_money(reader)?,
            method: text(reader, "method")?,
        }),
        QUOTE_CANCEL => OrderAction::QuoteCancel,
        CONFIRM_CANCEL => OrderAction::ConfirmCancel {
            quote: QuoteId(wide(reader)?),
        },
        SET_METADATA => OrderAction::SetMetadata(get_metadata(reader)?),
        ACCEPT_CHANGES => OrderAction::AcceptChanges,
        EFFECT_DONE => OrderAction::EffectDone {
            effect: EffectId(wide(reader)?),
            result: order_result::get(reader)?,
        },
        CLAIM => OrderAction::Claim {
            effect: EffectId(wide(reader)?),
            replica: u64::from_le_bytes(reader.array()?),
            until_ms: reader.int("until_ms")?,
        },
        FLIGHT_CHANGED => OrderAction::FlightChanged(get_notice(reader)?),
        unknown => return Err(DecodeError::UnknownKind(unknown)),
    };
    Ok((order, action))
}

fn wide(reader: &mut Reader<'_>) -> Result<u128, DecodeError> {
    Ok(u128::from_le_bytes(reader.array()?))
}

pub(super) fn text(reader: &mut Reader<'_>, field: &'static str) -> Result<Box<str>, DecodeError> {
    Ok(reader.text(field)?.into())
}

fn put_create(out: &mut Vec<u8>, create: &CreateOrder) -> Result<(), EncodeError> {
    out.extend_from_slice(&create.offer_request.0.to_le_bytes());
    put_bytes(out, create.offer.as_bytes());
    put_bytes(out, create.client.as_bytes());
    put_terms(out, create);
    put_uint(out, create.slices.len() as u64);
    for slice in &create.slices {
        put_uint(out, slice.len() as u64);
        for segment in slice {
            put_segment(out, segment)?;
        }
    }
    put_uint(out, u64::from(create.passengers));
    put_bytes(out, create.sealed.as_bytes());
    put_money(out, create.total)?;
    match create.refund {
        RefundTerms::Full => out.push(FULL),
        RefundTerms::Penalty(minor) => {
            out.push(PENALTY);
            put_int(out, minor);
        }
        RefundTerms::Nothing => out.push(NOTHING),
    }
    put_metadata(out, &create.metadata);
    Ok(())
}

fn put_terms(out: &mut Vec<u8>, create: &CreateOrder) {
    out.push(match (&create.terms, create.wait_ms) {
        (Terms::Instant { .. }, None) => INSTANT,
        (Terms::Hold { .. }, None) => HOLD,
        (Terms::Instant { .. }, Some(_)) => WAITING_INSTANT,
        (Terms::Hold { .. }, Some(_)) => WAITING_HOLD,
    });
    if let Some(wait_ms) = create.wait_ms {
        put_uint(out, wait_ms);
    }
    match &create.terms {
        Terms::Instant { method } => put_bytes(out, method.as_bytes()),
        Terms::Hold { pay_by_ms } => put_uint(out, *pay_by_ms),
    }
}

fn get_terms(reader: &mut Reader<'_>) -> Result<(Terms, Option<u64>), DecodeError> {
    let kind = reader.byte()?;
    let wait_ms = match kind {
        WAITING_INSTANT | WAITING_HOLD => Some(reader.uint("wait_ms")?),
        _ => None,
    };
    let terms = match kind {
        INSTANT | WAITING_INSTANT => Terms::Instant {
            method: text(reader, "method")?,
        },
        HOLD | WAITING_HOLD => Terms::Hold {
            pay_by_ms: reader.uint("pay_by_ms")?,
        },
        _ => return Err(DecodeError::bad("terms", "are of no kind")),
    };
    Ok((terms, wait_ms))
}

fn get_create(reader: &mut Reader<'_>) -> Result<CreateOrder, DecodeError> {
    let offer_request = OfferRequestId(wide(reader)?);
    let offer = text(reader, "offer")?;
    let client = text(reader, "client")?;
    let (terms, wait_ms) = get_terms(reader)?;
    Ok(CreateOrder {
        offer_request,
        offer,
        client,
        terms,
        wait_ms,
        slices: reader.list("slices", |reader| reader.list("segments", get_segment))?,
        passengers: reader.small("passengers")?,
        sealed: text(reader, "sealed")?,
        total: get_money(reader)?,
        refund: match reader.byte()? {
            FULL => RefundTerms::Full,
            PENALTY => RefundTerms::Penalty(reader.int("penalty")?),
            NOTHING => RefundTerms::Nothing,
            _ => return Err(DecodeError::bad("refund", "is of no kind")),
        },
        metadata: get_metadata(reader)?,
    })
}

fn put_segment(out: &mut Vec<u8>, segment: &SegmentRequest) -> Result<(), EncodeError> {
    put_flight(out, &segment.flight)?;
    let bit = |present: bool, bit: u8| if present { bit } else { 0 };
    out.push(
        bit(segment.provider.is_some(), segment_bits::PROVIDER)
            | bit(segment.class.is_some(), segment_bits::CLASS)
            | bit(segment.board.is_some(), segment_bits::BOARD)
            | bit(segment.off.is_some(), segment_bits::OFF),
    );
    out.push(segment.cabin.letter());
    put_uint(out, u64::from(segment.seats));
    if let Some(provider) = segment.provider {
        put_provider(out, provider)?;
    }
    if let Some(class) = segment.class {
        out.push(class.letter());
    }
    for station in [segment.board, segment.off].into_iter().flatten() {
        put_station(out, station)?;
    }
    put_money(out, segment.price)?;
    put_int(out, segment.departs_ms);
    Ok(())
}

fn get_segment(reader: &mut Reader<'_>) -> Result<SegmentRequest, DecodeError> {
    let flight = get_flight(reader)?;
    let bits = reader.bits("segment", segment_bits::ALL)?;
    let has = |bit: u8| bits & bit != 0;
    let cabin = get_cabin(reader)?;
    let seats = reader.small("seats")?;
    Ok(SegmentRequest {
        flight,
        provider: has(segment_bits::PROVIDER)
            .then(|| get_provider(reader))
            .transpose()?,
        cabin,
        class: has(segment_bits::CLASS)
            .then(|| get_class(reader))
            .transpose()?,
        board: has(segment_bits::BOARD)
            .then(|| get_station(reader))
            .transpose()?,
        off: has(segment_bits::OFF)
            .then(|| get_station(reader))
            .transpose()?,
        seats,
        price: get_money(reader)?,
        departs_ms: reader.int("departs_ms")?,
    })
}

fn put_metadata(out: &mut Vec<u8>, metadata: &Metadata) {
    put_uint(out, metadata.len() as u64);
    for (key, value) in metadata {
        put_bytes(out, key.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn get_metadata(reader: &mut Reader<'_>) -> Result<Metadata, DecodeError> {
    reader.list("metadata", |reader| {
        Ok((
            text(reader, "metadata key")?,
            text(reader, "metadata value")?,
        ))
    })
}

fn put_notice(out: &mut Vec<u8>, notice: &FlightNotice) -> Result<(), EncodeError> {
    put_flight(out, &notice.flight)?;
    put_uint(out, notice.offset);
    match notice.change {
        FlightChange::Cancelled => out.push(CANCELLED),
        FlightChange::Displaced { hold } => {
            out.push(DISPLACED);
            out.extend_from_slice(&hold.0.to_le_bytes());
        }
        FlightChange::Times { board, departs_ms } => {
            out.push(TIMES);
            put_station(out, board)?;
            put_int(out, departs_ms);
        }
    }
    Ok(())
}

fn get_notice(reader: &mut Reader<'_>) -> Result<FlightNotice, DecodeError> {
    Ok(FlightNotice {
        flight: get_flight(reader)?,
        offset: reader.uint("offset")?,
        change: match reader.byte()? {
            CANCELLED => FlightChange::Cancelled,
            DISPLACED => FlightChange::Displaced {
                hold: get_id(reader)?,
            },
            TIMES => FlightChange::Times {
                board: get_station(reader)?,
                departs_ms: reader.int("departs_ms")?,
            },
            _ => return Err(DecodeError::bad("change", "is of no kind")),
        },
    })
}
