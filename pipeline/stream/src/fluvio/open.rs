//! Opening a topic: where reading begins, and bringing the copy to its end.

use std::sync::Arc;

use super::broker::Cluster;
use super::chain::Chain;
use super::config::FluvioConfig;
use super::copy::CatchUp;
use super::cursor;
use super::interrupt::Interrupt;
use super::joint::Joint;
use super::naming::Naming;
use super::session::Session;
use super::writer::Writer;
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::port::StreamLog;

/// From where the topic is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// From what was written down, if that can be.
    WhereItWas,
    /// From its start, comparing everything.
    Zero,
}

/// What opening found, for the log file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) added: u64,
    pub(super) compared: u64,
}

/// What a writer begins with.
struct Place {
    session: Session,
    chains: Vec<Chain>,
    naming: Naming,
    /// Of this opening. Not the copy's: a folder that was copied to another machine must not pass for this
    /// one.
    id: u64,
}

impl Place {
    fn find(
        config: &FluvioConfig,
        copy: &EmbeddedLog,
        cluster: Arc<dyn Cluster>,
        start: Start,
    ) -> Result<Self, StreamError> {
        let partitions = config.copy.partitions;
        let ends = copy.end_offsets()?;
        let saved = cursor::load(&config.cursor_path(), partitions);
        // A stream keeps its id in whatever topic it is, and when it comes from an embedded one.
        let naming = Naming::of(config, copy, saved.as_ref())?;
        let saved = saved.filter(|s| start == Start::WhereItWas && s.topic == config.topic);
        // A copy that was put back from a backup may be older than what was written down.
        let is_in_copy = |chains: &Vec<Chain>| {
            let mut pairs = chains.iter().zip(&ends);
            pairs.all(|(c, end)| c.next_offset <= *end)
        };
        let saved = saved.map(|s| s.chains).filter(is_in_copy);
        Ok(Self {
            id: cluster.new_id(),
            session: Session::new(cluster),
            chains: saved.unwrap_or_else(|| (0..partitions).map(Chain::new).collect()),
            naming,
        })
    }
}

fn catch_up<'a>(
    config: &FluvioConfig,
    copy: &'a EmbeddedLog,
    session: &Session,
) -> Result<CatchUp<'a>, StreamError> {
    CatchUp::new(copy, session.name(), config.copy.path.clone())
}

/// Opens the topic for writing alone and brings the copy to its end.
pub(super) fn attach(
    config: &FluvioConfig,
    copy: &EmbeddedLog,
    cluster: Arc<dyn Cluster>,
    interrupt: &Arc<Interrupt>,
    start: Start,
) -> Result<(Writer, Opened), StreamError> {
    let place = Place::find(config, copy, cluster, start)?;
    let mut read = catch_up(config, copy, &place.session)?;
    let mut writer = Writer::new(place.session, place.id, place.chains, interrupt.clone());
    writer.naming = place.naming;
    writer.give_up = Some(writer.session.cluster().now() + config.open_patience);
    let done = writer.open(&mut |frame| read.take(&frame));
    let opened = finish(read, done)?;
    copy.note_copy_of(writer.chains[0].stream)?;
    writer.give_up = None;
    Ok((writer, opened))
}

/// Opens the topic for writing beside others and brings the copy to its end.
pub(super) fn join(
    config: &FluvioConfig,
    copy: &EmbeddedLog,
    cluster: Arc<dyn Cluster>,
    interrupt: &Arc<Interrupt>,
) -> Result<(Joint, Opened), StreamError> {
    let place = Place::find(config, copy, cluster, Start::WhereItWas)?;
    let mut read = catch_up(config, copy, &place.session)?;
    let mut joint = Joint::new(place.session, place.id, place.chains, interrupt.clone());
    joint.naming = place.naming;
    joint.give_up = Some(joint.session.cluster().now() + config.open_patience);
    let done = joint.open(&mut |frame| read.take(&frame));
    let opened = finish(read, done)?;
    copy.note_copy_of(joint.chains[0].stream)?;
    joint.give_up = None;
    Ok((joint, opened))
}

fn finish(mut read: CatchUp<'_>, done: Result<(), StreamError>) -> Result<Opened, StreamError> {
    // What was read is right, whatever came after it.
    read.flush()?;
    done?;
    Ok(Opened {
        added: read.added,
        compared: read.compared,
    })
}
