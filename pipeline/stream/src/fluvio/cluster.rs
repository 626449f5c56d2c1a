//! A real cluster: the controller (SC), which knows topics and leaders, and the servers (SPUs) that
//! hold partitions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes};
use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::{Decoder, Encoder, Version};
use fluvio_sc_schema::objects::{
    CommonCreateRequest, CreateRequest, ListRequest, ListResponse, Metadata,
    ObjectApiCreateRequest, ObjectApiListRequest,
};
use fluvio_sc_schema::partition::PartitionSpec;
use fluvio_sc_schema::spu::SpuSpec;
use fluvio_sc_schema::topic::TopicSpec;
use fluvio_sc_schema::{AdminSpec, TryEncodableFrom};
use fluvio_spu_schema::Isolation;
use fluvio_spu_schema::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchableTopic};
use fluvio_spu_schema::produce::{
    DefaultProduceRequest, PartitionProduceData, ProduceRequest, TopicProduceData,
};

use super::batch;
use super::broker::{Broker, BrokerError, Cluster, Fetched};
use super::config::FluvioConfig;
use super::tls;
use super::topic;
use super::wire::{Connection, Tls};
use crate::error::StreamError;
use crate::key::PartitionId;

/// Between two looks at a topic that is not ready.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The controller answers a creation when all partitions are ready, and sometimes misses that and
/// waits for 90 s: it is not waited for longer than this, and looked at instead.
const CREATE_TIMEOUT: Duration = Duration::from_secs(3);

/// A Fluvio cluster at an address.
pub(super) struct TcpCluster {
    config: FluvioConfig,
    tls: Option<Tls>,
}

impl TcpCluster {
    pub(super) fn new(config: &FluvioConfig) -> Result<Self, StreamError> {
        let tls = config
            .tls
            .as_ref()
            .map(|t| tls::load(t, &config.controller));
        Ok(Self {
            config: config.clone(),
            tls: tls.transpose()?,
        })
    }

    fn controller(&self) -> Result<Connection, BrokerError> {
        let address = &self.config.controller;
        Connection::open(address, self.tls.as_ref(), self.config.request_timeout)
    }

    /// Looks whether the topic is there and as it must be; creates it when it is not there. Tries
    /// again while the cluster does not answer, for as long as opening is allowed to.
    pub(super) fn prepare(&self) -> Result<(), StreamError> {
        let deadline = Instant::now() + self.config.open_patience;
        let mut tries = 0_u32;
        loop {
            tries += 1;
            match self.try_prepare() {
                Ok(()) => return Ok(()),
                Err(Unprepared::Mismatch(e)) => return Err(e),
                Err(Unprepared::Broker(e)) if e.is_final() || Instant::now() >= deadline => {
                    return Err(self.unusable(e.to_string()));
                }
                Err(Unprepared::Broker(e)) => {
                    if tries.is_power_of_two() {
                        tracing::warn!(tries, error = %e, "the topic is not ready: trying again");
                    }
                    std::thread::park_timeout(RETRY_PAUSE);
                }
            }
        }
    }

    fn try_prepare(&self) -> Result<(), Unprepared> {
        let mut controller = self.controller()?;
        let name = &self.config.topic;
        let topics = list::<TopicSpec>(&mut controller, name)?;
        let Some(topic) = topics.into_iter().find(|t| t.name == *name) else {
            self.create()?;
            // Looked at again: somebody else may have been first, with other settings.
            return Err(BrokerError::passing("the topic was just created").into());
        };
        topic::check(&topic.spec, self.config.copy.partitions).map_err(|what| {
            Unprepared::Mismatch(StreamError::TopicMismatch {
                topic: name.clone(),
                what,
            })
        })?;
        self.leaders(&mut controller)?;
        Ok(())
    }

    /// Who leads each partition.
    fn leaders(
        &self,
        controller: &mut Connection,
    ) -> Result<BTreeMap<PartitionId, SpuId>, BrokerError> {
        let topic = &self.config.topic;
        let partitions = list::<PartitionSpec>(controller, topic)?;
        let mut leaders = BTreeMap::new();
        for partition in partitions {
            // `TOPIC-NUMBER`; topics whose name only begins like ours come along.
            let rest = partition.name.strip_prefix(topic.as_str());
            let number = rest.and_then(|r| r.strip_prefix('-')?.parse::<u32>().ok());
            if let Some(number) = number {
                leaders.insert(number, partition.spec.leader);
            }
        }
        for number in 0..self.config.copy.partitions {
            let missing = match leaders.get(&number) {
                Some(leader) if *leader > 0 => continue,
                Some(_) => "has no leader",
                None => {
                    "is not known to the controller, which knows the topic: see docs/fluvio.md, \"A controller that forgot\""
                }
            };
            return Err(BrokerError::passing(format!(
                "partition {number} of topic {topic} {missing}"
            )));
        }
        Ok(leaders)
    }

    fn create(&self) -> Result<(), BrokerError> {
        let name = &self.config.topic;
        let timeout = self.config.request_timeout.min(CREATE_TIMEOUT);
        let mut controller = Connection::open(&self.config.controller, self.tls.as_ref(), timeout)?;
        tracing::info!(
            topic = name,
            partitions = self.config.copy.partitions,
            "creating the topic"
        );
        let common = CommonCreateRequest {
            name: name.clone(),
            ..CommonCreateRequest::default()
        };
        let request = CreateRequest::new(common, topic::spec(&self.config));
        let version = controller.version::<ObjectApiCreateRequest>()?;
        let request = ObjectApiCreateRequest::try_encode_from(request, version)
            .map_err(|e| BrokerError::last(e.to_string()))?;
        let status = controller.ask(request)?;
        match status.error_code {
            ErrorCode::None | ErrorCode::TopicAlreadyExists => Ok(()),
            ErrorCode::PermissionDenied => Err(BrokerError::last(format!(
                "topic {name} cannot be created: permission denied; create it yourself, or give this client (the one \
                 that stream.tls.cert_file names) the right to create topics"
            ))),
            code => Err(BrokerError::last(format!(
                "topic {name} cannot be created: {code}{}",
                status
                    .error_message
                    .map_or_else(String::new, |m| format!(" ({m})"))
            ))),
        }
    }

    /// Removes the topic with everything in it.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn delete(&self) -> Result<(), BrokerError> {
        use fluvio_sc_schema::objects::{DeleteRequest, ObjectApiDeleteRequest};
        let mut controller = self.controller()?;
        let version = controller.version::<ObjectApiDeleteRequest>()?;
        let request = DeleteRequest::<TopicSpec>::new(self.config.topic.clone());
        let request = ObjectApiDeleteRequest::try_encode_from(request, version)
            .map_err(|e| BrokerError::last(e.to_string()))?;
        let status = controller.ask(request)?;
        match status.error_code {
            ErrorCode::None | ErrorCode::TopicNotFound => Ok(()),
            code => Err(BrokerError::passing(code.to_string())),
        }
    }

    /// Addresses of the servers, as the controller says them.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn servers(&self) -> Result<Vec<String>, BrokerError> {
        let spus = list::<SpuSpec>(&mut self.controller()?, "")?;
        Ok(spus.iter().map(|s| s.spec.public_endpoint.addr()).collect())
    }

    pub(super) fn unusable(&self, what: String) -> StreamError {
        StreamError::Cluster {
            cluster: self.name(),
            what,
        }
    }
}

impl Cluster for TcpCluster {
    fn connect(&self) -> Result<Box<dyn Broker>, BrokerError> {
        let mut controller = self.controller()?;
        let leaders = self.leaders(&mut controller)?;
        let spus = list::<SpuSpec>(&mut controller, "")?;
        let addresses = spus.into_iter().map(|spu| {
            let said = spu.spec.public_endpoint.addr();
            let redirect = self.config.redirects.iter().find(|(from, _)| *from == said);
            let address = redirect.map_or(said, |(_, to)| to.clone());
            (spu.spec.id, (spu.name, address))
        });
        Ok(Box::new(TcpBroker {
            topic: self.config.topic.clone(),
            leaders,
            spus: addresses.collect(),
            connections: BTreeMap::new(),
            tls: self.tls.clone(),
            timeout: self.config.request_timeout,
            all_replicas: self.config.all_replicas,
        }))
    }

    fn name(&self) -> String {
        format!("fluvio://{}/{}", self.config.controller, self.config.topic)
    }
}

/// Why a topic cannot be used yet, or at all.
enum Unprepared {
    Broker(BrokerError),
    Mismatch(StreamError),
}

impl From<BrokerError> for Unprepared {
    fn from(error: BrokerError) -> Self {
        Unprepared::Broker(error)
    }
}

/// Objects of a kind whose name contains the text.
fn list<S>(controller: &mut Connection, name: &str) -> Result<Vec<Metadata<S>>, BrokerError>
where
    S: AdminSpec,
    S::Status: Encoder + Decoder + std::fmt::Debug,
{
    let version = controller.version::<ObjectApiListRequest>()?;
    let request = ListRequest::<S>::new(name, false);
    let request = ObjectApiListRequest::try_encode_from(request, version)
        .map_err(|e| BrokerError::last(e.to_string()))?;
    let answer = controller.ask(request)?;
    let found: Option<ListResponse<S>> = answer
        .downcast()
        .map_err(|e| BrokerError::passing(format!("a list cannot be decoded: {e}")))?;
    let found = found.ok_or_else(|| BrokerError::passing("a list of something else came"))?;
    Ok(found.inner())
}

type SpuId = i32;

/// Connections to the servers that lead the topic's partitions, as they were when it was made.
struct TcpBroker {
    topic: String,
    leaders: BTreeMap<PartitionId, SpuId>,
    /// Name and address.
    spus: BTreeMap<SpuId, (String, String)>,
    connections: BTreeMap<SpuId, Connection>,
    tls: Option<Tls>,
    timeout: Duration,
    all_replicas: bool,
}

impl TcpBroker {
    fn leader(&self, partition: PartitionId) -> Result<SpuId, BrokerError> {
        let leader = self.leaders.get(&partition).copied();
        leader.ok_or_else(|| BrokerError::passing(format!("partition {partition} has no leader")))
    }

    fn connection(&mut self, spu: SpuId) -> Result<&mut Connection, BrokerError> {
        use std::collections::btree_map::Entry;
        match self.connections.entry(spu) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let (name, address) = self.spus.get(&spu).ok_or_else(|| {
                    BrokerError::passing(format!("the controller has no server {spu}"))
                })?;
                let tls = self.tls.as_ref().map(|tls| Tls {
                    config: tls.config.clone(),
                    name: format!("{name}.{}", tls.name),
                });
                let connection = Connection::open(address, tls.as_ref(), self.timeout)?;
                Ok(entry.insert(connection))
            }
        }
    }

    /// Asks one server for partitions that it leads.
    fn ask_server(
        &mut self,
        spu: SpuId,
        asked: impl Iterator<Item = (PartitionId, u64)>,
        bytes_max: u32,
    ) -> Result<(String, FetchResponse<RawBatches>), BrokerError> {
        let max_bytes = i32::try_from(bytes_max).unwrap_or(i32::MAX);
        let partitions = asked.map(|(partition, from)| FetchPartition {
            partition_index: partition,
            fetch_offset: i64::try_from(from).unwrap_or(i64::MAX),
            max_bytes,
            ..FetchPartition::default()
        });
        let request = FetchRequest::<RawBatches> {
            max_bytes,
            isolation_level: Isolation::ReadUncommitted,
            topics: vec![FetchableTopic {
                name: self.topic.clone(),
                fetch_partitions: partitions.collect(),
            }],
            ..FetchRequest::default()
        };
        let connection = self.connection(spu)?;
        let address = connection.address().to_owned();
        Ok((address, connection.ask(request)?))
    }

    /// What the server is asked to append, and what it answered, for each partition.
    fn receive_produced(
        &mut self,
        spu: SpuId,
    ) -> Result<BTreeMap<PartitionId, Result<u64, BrokerError>>, BrokerError> {
        let topic = self.topic.clone();
        let connection = self.connection(spu)?;
        let answer = connection.receive::<DefaultProduceRequest>()?;
        let address = connection.address().to_owned();
        let ours = answer.responses.into_iter().filter(|t| t.name == topic);
        let partitions = ours.flat_map(|t| t.partitions).map(|p| {
            let result = match p.error_code {
                ErrorCode::None => u64::try_from(p.base_offset)
                    .map_err(|_| BrokerError::passing("a negative offset was answered")),
                code => Err(refusal(&address, p.partition_index, code)),
            };
            (p.partition_index, result)
        });
        Ok(partitions.collect())
    }
}

impl Broker for TcpBroker {
    fn produce(&mut self, batches: &[(PartitionId, Vec<Bytes>)]) -> Vec<Result<u64, BrokerError>> {
        let mut by_spu: BTreeMap<SpuId, Vec<usize>> = BTreeMap::new();
        let no_answer = || Err(BrokerError::passing("the server did not answer for it"));
        let mut results: Vec<_> = batches.iter().map(|_| no_answer()).collect();
        for (index, (partition, _)) in batches.iter().enumerate() {
            match self.leader(*partition) {
                Ok(spu) => by_spu.entry(spu).or_default().push(index),
                Err(e) => results[index] = Err(e),
            }
        }
        // All are asked before the first answer is waited for.
        let mut asked = Vec::new();
        for (spu, indexes) in by_spu {
            let partitions = indexes.iter().map(|i| PartitionProduceData {
                partition_index: batches[*i].0,
                records: batch::encode(&batches[*i].1),
            });
            let request = ProduceRequest {
                isolation: if self.all_replicas {
                    Isolation::ReadCommitted
                } else {
                    Isolation::ReadUncommitted
                },
                // Less than we wait, so that a slow replica is told apart from a dead server.
                timeout: self.timeout * 3 / 4,
                topics: vec![TopicProduceData {
                    name: self.topic.clone(),
                    partitions: partitions.collect(),
                    ..TopicProduceData::default()
                }],
                ..ProduceRequest::default()
            };
            match self.connection(spu).and_then(|c| c.send(request)) {
                Ok(()) => asked.push((spu, indexes)),
                Err(e) => {
                    self.connections.remove(&spu);
                    for index in indexes {
                        results[index] = Err(e.clone());
                    }
                }
            }
        }
        for (spu, indexes) in asked {
            match self.receive_produced(spu) {
                Ok(mut answers) => {
                    for index in indexes {
                        if let Some(answer) = answers.remove(&batches[index].0) {
                            results[index] = answer;
                        }
                    }
                }
                Err(e) => {
                    self.connections.remove(&spu);
                    for index in indexes {
                        results[index] = Err(e.clone());
                    }
                }
            }
        }
        results
    }

    fn fetch(
        &mut self,
        partition: PartitionId,
        from: u64,
        bytes_max: u32,
    ) -> Result<Fetched, BrokerError> {
        let mut answers = self.fetch_all(&[(partition, from)], bytes_max);
        answers
            .pop()
            .unwrap_or_else(|| Err(BrokerError::passing("nothing was answered")))
    }

    fn fetch_all(
        &mut self,
        asked: &[(PartitionId, u64)],
        bytes_max: u32,
    ) -> Vec<Result<Fetched, BrokerError>> {
        let mut by_spu: BTreeMap<SpuId, Vec<usize>> = BTreeMap::new();
        let no_answer = || Err(BrokerError::passing("the server did not answer for it"));
        let mut results: Vec<_> = asked.iter().map(|_| no_answer()).collect();
        for (index, (partition, _)) in asked.iter().enumerate() {
            match self.leader(*partition) {
                Ok(spu) => by_spu.entry(spu).or_default().push(index),
                Err(e) => results[index] = Err(e),
            }
        }
        for (spu, indexes) in by_spu {
            let ours = indexes.iter().map(|index| asked[*index]);
            match self.ask_server(spu, ours, bytes_max) {
                Ok((address, answer)) => {
                    let topics = answer.topics.into_iter();
                    let found = topics.filter(|t| t.name == self.topic);
                    let found = found.flat_map(|t| t.partitions);
                    let mut found: BTreeMap<_, _> =
                        found.map(|found| (found.partition_index, found)).collect();
                    for index in indexes {
                        let (partition, from) = asked[index];
                        results[index] = match found.remove(&partition) {
                            None => Err(BrokerError::passing(format!(
                                "{address} answered for another partition"
                            ))),
                            Some(found) => match found.error_code {
                                ErrorCode::None => Ok(fetched(found.records.0, from)),
                                code => Err(refusal(&address, partition, code)),
                            },
                        };
                    }
                }
                Err(e) => {
                    self.connections.remove(&spu);
                    for index in indexes {
                        results[index] = Err(e.clone());
                    }
                }
            }
        }
        results
    }
}

/// Whole batches up to the first that is none.
fn fetched(mut bytes: Bytes, from: u64) -> Fetched {
    let mut out = Fetched::default();
    while let Some(batch) = batch::take(&mut bytes) {
        let values = (batch.base_offset..).zip(batch.values);
        // The first batch is the one that holds the offset: it may begin before.
        out.values
            .extend(values.filter(|(offset, _)| *offset >= from));
        out.next = Some(batch.end_offset);
    }
    out.left_over = bytes.len();
    out
}

fn refusal(address: &str, partition: PartitionId, code: ErrorCode) -> BrokerError {
    let what = format!("{address} refused partition {partition}: {code}");
    match &code {
        ErrorCode::MessageTooLarge => BrokerError::last(format!(
            "{what}; batches of up to {} bytes are sent: raise the server's limit",
            topic::BATCH_BYTES_MAX
        )),
        ErrorCode::PermissionDenied => BrokerError::last(format!(
            "{what}; give this client the right to read and write the topic"
        )),
        ErrorCode::OffsetEvicted { next_available, .. } => BrokerError::last(format!(
            "{what}; the topic has deleted records below {next_available}: restore them with \
             `flightline stream rebuild` into a new topic"
        )),
        ErrorCode::TopicNotFound | ErrorCode::TopicDeleted => BrokerError::last(format!(
            "{what}; fill a new topic with `flightline stream rebuild`"
        )),
        ErrorCode::CompressionError => BrokerError::last(what),
        ErrorCode::OffsetOutOfRange => BrokerError::beyond_end(what),
        // The same, as servers of the 0.50 series say it.
        ErrorCode::Other(text) if text.contains("is greater than leo") => {
            BrokerError::beyond_end(format!("{address}: {text}"))
        }
        _ => BrokerError::passing(what),
    }
}

/// The records of an answer as they are stored.
#[derive(Debug, Default)]
struct RawBatches(Bytes);

impl Decoder for RawBatches {
    fn decode<T: Buf>(&mut self, src: &mut T, version: Version) -> Result<(), std::io::Error> {
        let mut len = 0_i32;
        len.decode(src, version)?;
        let len = usize::try_from(len).unwrap_or(0);
        if src.remaining() < len {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.0 = src.copy_to_bytes(len);
        Ok(())
    }
}

impl Encoder for RawBatches {
    fn write_size(&self, _: Version) -> usize {
        4 + self.0.len()
    }

    fn encode<T: BufMut>(&self, dest: &mut T, _: Version) -> Result<(), std::io::Error> {
        dest.put_i32(i32::try_from(self.0.len()).unwrap_or(i32::MAX));
        dest.put_slice(&self.0);
        Ok(())
    }
}
