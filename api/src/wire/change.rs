//! Rows of views, as followers of changes see them: the columns of the table of the same name.

use flightline_dataflows::changelog::{Change, Epoch};
use flightline_dataflows::rows::{
    CheapestRow, DecisionRow, DriftRow, FeedRejectRow, FlightRow, HoldRow, InventoryRow, LegRow,
    LoadFactorRow, OfferRow, OversoldRow, RouteDayRow,
};
use flightline_ledger::command::Counts;
use flightline_ledger::{Class, Replay};
use flightline_sinks::serving::{View, ViewRows};
use serde::ser::{SerializeMap, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::flight::{Quality, sale_status};
use super::search::aircraft;
use super::text;

/// The changes of a view in an epoch as JSON; `None` when there are none.
pub(crate) fn write_changes(view: View, epoch: &Epoch) -> Option<Vec<u8>> {
    match view {
        View::Flight => keyed(&epoch.flights),
        View::Leg => keyed(&epoch.legs),
        View::Inventory => keyed(&epoch.inventory),
        View::Hold => keyed(&epoch.holds),
        View::InventoryDrift => keyed(&epoch.drift),
        View::Offers => keyed(&epoch.offers),
        View::AvailabilityByRouteDay => keyed(&epoch.availability_by_route_day),
        View::CheapestByRouteDay => keyed(&epoch.cheapest_by_route_day),
        View::LoadFactor => keyed(&epoch.load_factor),
        View::Oversold => keyed(&epoch.oversold),
        View::Decision => appended(&epoch.decisions),
        View::FeedReject => appended(&epoch.rejects),
    }
}

/// At most `limit` rows of a view from the `from`-th on as JSON; `None` when there are none.
pub(crate) fn write_rows(rows: &ViewRows, from: usize, limit: usize) -> Option<Vec<u8>> {
    match rows {
        ViewRows::Flight(rows) => some_rows(rows, from, limit),
        ViewRows::Leg(rows) => some_rows(rows, from, limit),
        ViewRows::Inventory(rows) => some_rows(rows, from, limit),
        ViewRows::InventoryDrift(rows) => some_rows(rows, from, limit),
        ViewRows::Offers(rows) => some_rows(rows, from, limit),
        ViewRows::AvailabilityByRouteDay(rows) => some_rows(rows, from, limit),
        ViewRows::CheapestByRouteDay(rows) => some_rows(rows, from, limit),
        ViewRows::LoadFactor(rows) => some_rows(rows, from, limit),
        ViewRows::Oversold(rows) => some_rows(rows, from, limit),
        ViewRows::NotKept => None,
    }
}

fn keyed<R: Row>(changes: &[Change<R>]) -> Option<Vec<u8>> {
    let changes = || changes.iter().map(|(row, diff)| (row, *diff));
    (changes().len() > 0)
        .then(|| to_json("changes", changes().map(|(row, diff)| One(row, Some(diff)))))
}

fn appended<R: Row>(rows: &[R]) -> Option<Vec<u8>> {
    (!rows.is_empty()).then(|| to_json("changes", rows.iter().map(|row| One(row, Some(1)))))
}

fn some_rows<R: Row>(rows: &[R], from: usize, limit: usize) -> Option<Vec<u8>> {
    let rows = rows.get(from..).filter(|rows| !rows.is_empty())?;
    Some(to_json(
        "rows",
        rows.iter().take(limit).map(|row| One(row, None)),
    ))
}

fn to_json<T: Serialize>(name: &str, items: impl Iterator<Item = T>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut out);
    let written = serializer.serialize_map(Some(1)).and_then(|mut map| {
        map.serialize_entry(name, &Items(std::cell::RefCell::new(items)))?;
        SerializeMap::end(map)
    });
    assert!(written.is_ok(), "rows can be serialised");
    out
}

/// Serialises an iterator, once.
struct Items<I>(std::cell::RefCell<I>);

impl<T: Serialize, I: Iterator<Item = T>> Serialize for Items<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = self.0.borrow_mut();
        let mut list = serializer.serialize_seq(None)?;
        for item in items.by_ref() {
            list.serialize_element(&item)?;
        }
        list.end()
    }
}

/// A row, alone or with what became of it.
struct One<'a, R>(&'a R, Option<isize>);

impl<R: Row> Serialize for One<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            None => self.0.write(serializer),
            Some(diff) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("diff", &diff)?;
                map.serialize_entry("row", &One(self.0, None))?;
                map.end()
            }
        }
    }
}

/// A row of a view, as JSON.
trait Row {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// Writes named columns in order.
macro_rules! columns {
    ($serializer:expr; $($name:literal: $value:expr),* $(,)?) => {{
        let mut map = $serializer.serialize_map(None)?;
        $(map.serialize_entry($name, &$value)?;)*
        map.end()
    }};
}

fn class(class: Option<Class>) -> Option<char> {
    class.map(|class| char::from(class.letter()))
}

const fn counts(counts: Counts) -> &'static str {
    match counts {
        Counts::Total => "total",
        Counts::Remaining => "remaining",
    }
}

impl Row for FlightRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "flight_key": text::flight_key(&self.flight),
            "status": self.status.name(),
            "owner": self.owner.as_str(),
            "operating": self.operating.as_ref().map(text::flight_key),
            "quality": Quality(self.quality),
        )
    }
}

impl Row for LegRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "flight_key": text::flight_key(&self.flight),
            "leg_no": self.leg_no,
            "board": self.board.as_str(),
            "off": self.off.as_str(),
            "departs_at": text::instant(self.departs_s.saturating_mul(1000)),
            "arrives_at": text::instant(self.arrives_s.saturating_mul(1000)),
            "departing_at": text::local_time(self.departs_s, self.departs_offset_min),
            "arriving_at": text::local_time(self.arrives_s, self.arrives_offset_min),
            "aircraft": aircraft(&self.aircraft),
            "service": char::from(self.service),
        )
    }
}

impl Row for InventoryRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "flight_key": text::flight_key(&self.flight),
            "provider": self.provider.as_str(),
            "leg_no": self.leg_no,
            "board": self.board.as_str(),
            "off": self.off.as_str(),
            "cabin": char::from(self.cabin.letter()),
            "class": class(self.class),
            "authorised": self.authorised,
            "held": self.held,
            "sold": self.sold,
            "available": self.available,
            "oversold": self.oversold,
            "status": sale_status(self.status),
        )
    }
}

impl Row for OfferRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "board": self.board.as_str(),
            "off": self.off.as_str(),
            "date": text::date(self.date),
            "flight_key": text::flight_key(&self.flight),
            "provider": self.provider.as_str(),
            "cabin": char::from(self.cabin.letter()),
            "class": class(self.class),
            "price_amount": text::amount(&self.price),
            "price_currency": self.price.currency.as_str(),
            "seats": self.seats,
            "seats_is_floor": self.seats_is_floor,
            "departs_at": text::instant(self.departs_s.saturating_mul(1000)),
            "arrives_at": text::instant(self.arrives_s.saturating_mul(1000)),
            "departing_at": text::local_time(self.departs_s, self.departs_offset_min),
            "arriving_at": text::local_time(self.arrives_s, self.arrives_offset_min),
            "aircraft": aircraft(&self.aircraft),
            "legs": self.legs,
        )
    }
}

impl Row for HoldRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "partition": self.partition,
            "offset": self.offset,
            "command_id": text::command_id(self.id),
            "flight_key": text::flight_key(&self.flight),
            "provider": self.provider.as_str(),
            "cabin": char::from(self.cabin.letter()),
            "class": class(self.class),
            "board": self.board.as_str(),
            "off": self.off.as_str(),
            "seats": self.seats,
            "state": self.status.name(),
            "expires_at": text::instant(self.deadline_ms),
            "price_amount": self.price.as_ref().map(text::amount),
            "price_currency": self.price.as_ref().map(|price| price.currency.as_str()),
            "created_at": text::instant(self.created_at_ms),
            "changed_at": text::instant(self.changed_at_ms),
            "changed_offset": self.changed_offset,
        )
    }
}

impl Row for DecisionRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decision = &self.decision;
        let note = self.note.as_deref();
        let replay_of = match decision.replay {
            Replay::First => None,
            Replay::Same { first_offset } | Replay::Different { first_offset } => {
                Some(first_offset)
            }
        };
        columns!(serializer;
            "partition": self.partition,
            "offset": decision.offset,
            "command_id": text::command_id(decision.id),
            "flight_key": (!decision.flight.is_none()).then(|| text::flight_key(&decision.flight)),
            "kind": decision.kind.name(),
            "outcome": decision.outcome.name(),
            "reason": decision.outcome.reason().map(|reason| reason.code()),
            "at": text::instant(decision.at_ms),
            "replay_of": replay_of,
            "differs": matches!(decision.replay, Replay::Different { .. }),
            "ref": note.and_then(|note| note.ref_text.as_deref()),
            "actor": note.and_then(|note| note.actor.as_deref()),
        )
    }
}

impl Row for FeedRejectRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "partition": self.partition,
            "offset": self.offset,
            "at": text::instant(self.at_ms),
            "provider": self.provider.as_str(),
            "message": &*self.message,
            "line": self.line,
            "code": &*self.code,
            "reason": &*self.reason,
            "raw": String::from_utf8_lossy(&self.raw),
        )
    }
}

impl Row for DriftRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "flight_key": text::flight_key(&self.flight),
            "provider": self.provider.as_str(),
            "leg_no": self.leg_no,
            "cabin": char::from(self.cabin.letter()),
            "class": class(self.class),
            "counts": counts(self.counts),
            "reported": self.reported,
            "expected": self.expected,
            "drift": self.drift,
            "version_time": text::instant(self.version.time_ms),
            "version_group": self.version.group,
            "version_sequence": self.version.sequence,
            "offset": self.offset,
        )
    }
}

impl Row for RouteDayRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "board": self.board.as_str(),
            "off": self.off.as_str(),
            "date": text::date(self.date),
            "cabin": char::from(self.cabin.letter()),
            "flights": self.flights,
            "flights_open": self.flights_open,
            "seats": self.seats,
        )
    }
}

impl Row for CheapestRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "board": self.board.as_str(),
            "off": self.off.as_str(),
            "date": text::date(self.date),
            "cabin": char::from(self.cabin.letter()),
            "price_amount": text::amount(&self.price),
            "price_currency": self.price.currency.as_str(),
            "flight_key": text::flight_key(&self.flight),
            "provider": self.provider.as_str(),
            "class": class(self.class),
        )
    }
}

impl Row for LoadFactorRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "flight_key": text::flight_key(&self.flight),
            "leg_no": self.leg_no,
            "cabin": char::from(self.cabin.letter()),
            "capacity": self.capacity,
            "held": self.held,
            "sold": self.sold,
            "load_permille": self.load_permille,
        )
    }
}

impl Row for OversoldRow {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        columns!(serializer;
            "flight_key": text::flight_key(&self.flight),
            "leg_no": self.leg_no,
            "cabin": char::from(self.cabin.letter()),
            "provider": self.provider.as_ref().map(|provider| provider.as_str()),
            "class": class(self.class),
            "oversold": self.oversold,
        )
    }
}
