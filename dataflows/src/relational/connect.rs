//! The views of a dataflow, connected to what the fold gives out.

use std::sync::Arc;

use differential_dataflow::AsCollection;
use timely::dataflow::{Scope, Stream};

use super::Plan;
use super::render::{Faults, Renderer, Rows};
use super::sources::{ALL, SourceWriter, id};
use crate::fold::Outputs;
use crate::part::Updates;
use crate::sql::View;

/// Copies of the streams that views read.
pub(crate) struct Taps<'scope> {
    sources: Vec<Option<Rows<'scope>>>,
    clock: Option<Stream<'scope, u64, Vec<i64>>>,
}

/// Is a source (by its place) read by any of the views?
fn reads(views: &[Arc<View>], source: usize) -> bool {
    let mut found = false;
    for view in views {
        view.plan
            .walk(&mut |plan| found |= *plan == Plan::Source(source));
    }
    found
}

/// Does any of the views look at the clock?
pub(crate) fn reads_clock(views: &[Arc<View>]) -> bool {
    views.iter().any(|view| view.plan.reads_clock())
}

impl<'scope> Taps<'scope> {
    /// Taps what the views read, and nothing else: a stream that nobody reads costs nothing.
    pub(crate) fn new(views: &[Arc<View>], outputs: &Outputs<'scope>) -> Self {
        fn rows<'scope, R: Clone + 'static>(
            stream: &Stream<'scope, u64, Updates<R>>,
            write: impl Fn(&mut SourceWriter, &R) -> super::Row + 'static,
        ) -> Rows<'scope> {
            let mut writer = SourceWriter::default();
            stream
                .clone()
                .as_collection()
                .map(move |row| write(&mut writer, &row))
        }
        let sources = (0..ALL.len()).map(|source| {
            if !reads(views, source) {
                return None;
            }
            Some(match source {
                id::FLIGHTS => rows(&outputs.flights, SourceWriter::flights),
                id::LEGS => rows(&outputs.legs, SourceWriter::legs),
                id::INVENTORY => rows(&outputs.inventory, SourceWriter::inventory),
                id::CABINS => rows(&outputs.load_factor, SourceWriter::cabins),
                id::OFFERS => rows(&outputs.offers, SourceWriter::offers),
                id::HOLDS => rows(&outputs.holds, SourceWriter::holds),
                id::PROVIDER_REPORTS => rows(&outputs.drift, SourceWriter::provider_reports),
                id::ORDERS => rows(&outputs.orders, |writer, row| writer.orders(row)),
                id::ORDER_SEGMENTS => {
                    let mut writer = SourceWriter::default();
                    let orders = outputs.orders.clone().as_collection();
                    // Most changes of an order leave its segments as they are.
                    orders
                        .flat_map(move |row| writer.order_segments(&row))
                        .consolidate_stream()
                }
                id::PAYMENTS => {
                    let mut writer = SourceWriter::default();
                    let orders = outputs.orders.clone().as_collection();
                    orders
                        .flat_map(move |row| writer.payments(&row))
                        .consolidate_stream()
                }
                other => panic!("source {other} is not connected"),
            })
        });
        Self {
            sources: sources.collect(),
            clock: reads_clock(views).then(|| outputs.clock.clone()),
        }
    }
}

/// Rows and faults of each view.
pub(crate) fn connect<'scope>(
    scope: Scope<'scope, u64>,
    views: &[Arc<View>],
    taps: Taps<'scope>,
) -> Vec<(Rows<'scope>, Vec<Faults<'scope>>)> {
    let mut renderer = Renderer::new(scope, taps.sources, taps.clock);
    let each = views.iter().map(|view| {
        let rendered = renderer.plan(&view.plan);
        (rendered.rows, rendered.faults)
    });
    each.collect()
}
