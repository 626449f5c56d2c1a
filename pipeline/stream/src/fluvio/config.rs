//! Settings of a stream on Fluvio.

use std::path::PathBuf;
use std::time::Duration;

use crate::embedded::EmbeddedConfig;
use crate::error::StreamError;

/// Settings of a stream on Fluvio. [`FluvioConfig::new`] has values that suit a cluster in the same
/// network.
#[derive(Clone, Debug)]
pub struct FluvioConfig {
    /// `HOST:PORT` of the controller (SC).
    pub controller: String,
    /// Name of the topic: lower-case letters, digits and hyphens.
    pub topic: String,
    /// This replica's own copy of the stream, which it reads from; its partition count is the
    /// topic's.
    pub copy: EmbeddedConfig,
    /// Copies of each partition in the cluster, when the topic is created here.
    pub replication: u32,
    /// Does an append wait until every replica of the partition has it, or only for its leader?
    /// Without effect while there is one.
    pub all_replicas: bool,
    /// Connections are encrypted, and this is how; absent = plain.
    pub tls: Option<TlsConfig>,
    /// What may be waited for one answer. After that its outcome is unknown and is found out.
    pub request_timeout: Duration,
    /// How long opening tries to reach a cluster that does not answer.
    pub open_patience: Duration,
    /// Addresses of the cluster's servers for tests that put a proxy in front of them: as the
    /// cluster says it, and where to connect instead.
    pub redirects: Vec<(String, String)>,
}

/// How to speak to a cluster that asks for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file of the authority that signed the cluster's certificates.
    pub ca_file: PathBuf,
    /// PEM file of this client's certificate: who it is, to Fluvio's authorisation.
    pub cert_file: Option<PathBuf>,
    /// PEM file of its key.
    pub key_file: Option<PathBuf>,
    /// The name in the controller's certificate; absent = the host of its address. Servers (SPUs)
    /// are asked for under their own name in front of it, as Fluvio's own client does.
    pub domain: Option<String>,
}

/// `HOST:PORT` and topic of `fluvio://HOST:PORT/TOPIC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FluvioUrl {
    /// `HOST:PORT` of the controller.
    pub controller: String,
    /// The topic.
    pub topic: String,
}

impl std::str::FromStr for FluvioUrl {
    type Err = StreamError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |what: &str| StreamError::BadConfig {
            setting: "stream.url",
            what: format!("`{text}` {what}; it must be fluvio://HOST:PORT/TOPIC"),
        };
        let rest = text
            .strip_prefix("fluvio://")
            .ok_or_else(|| bad("does not start with fluvio://"))?;
        let (controller, topic) = rest.split_once('/').ok_or_else(|| bad("names no topic"))?;
        let (host, port) = controller
            .rsplit_once(':')
            .ok_or_else(|| bad("names no port (Fluvio's own is 9003)"))?;
        if host.is_empty() {
            return Err(bad("names no host"));
        }
        if !port.parse::<u16>().is_ok_and(|p| p > 0) {
            return Err(bad("has a port that is none"));
        }
        check_topic(topic).map_err(|what| bad(&what))?;
        Ok(Self {
            controller: controller.to_owned(),
            topic: topic.to_owned(),
        })
    }
}

impl std::fmt::Display for FluvioUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fluvio://{}/{}", self.controller, self.topic)
    }
}

/// Fluvio's rule for names of topics.
fn check_topic(topic: &str) -> Result<(), String> {
    let is_ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if topic.is_empty() || topic.len() > 255 {
        return Err("has a topic of no or too many letters".to_owned());
    }
    if !topic.chars().all(is_ok) || topic.starts_with('-') || topic.ends_with('-') {
        return Err(format!(
            "has the topic `{topic}`, and Fluvio takes lower-case letters, digits and inner hyphens"
        ));
    }
    Ok(())
}

impl FluvioConfig {
    /// The defaults for a topic and a copy.
    pub fn new(url: &FluvioUrl, copy: EmbeddedConfig) -> Self {
        Self {
            controller: url.controller.clone(),
            topic: url.topic.clone(),
            copy,
            replication: 1,
            all_replicas: true,
            tls: None,
            request_timeout: Duration::from_secs(10),
            open_patience: Duration::from_secs(60),
            redirects: Vec::new(),
        }
    }

    /// Where the place in the topic is kept, beside the copy.
    pub(super) fn cursor_path(&self) -> PathBuf {
        let mut name = self.copy.path.file_name().unwrap_or_default().to_owned();
        name.push(".fluvio");
        self.copy.path.with_file_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url: FluvioUrl = "fluvio://sc.example:9003/seats-1".parse().unwrap();
        assert_eq!(url.controller, "sc.example:9003");
        assert_eq!(url.topic, "seats-1");
        assert_eq!(url.to_string(), "fluvio://sc.example:9003/seats-1");
        let v6: FluvioUrl = "fluvio://[::1]:9003/s".parse().unwrap();
        assert_eq!(v6.controller, "[::1]:9003");
        for (bad, says) in [
            ("kafka://a:1/t", "does not start with"),
            ("fluvio://a:1", "names no topic"),
            ("fluvio://a:1/", "no or too many letters"),
            ("fluvio://a/t", "names no port"),
            ("fluvio://a:0/t", "a port that is none"),
            ("fluvio://a:70000/t", "a port that is none"),
            ("fluvio://:9003/t", "names no host"),
            ("fluvio://a:1/Seats", "lower-case"),
            ("fluvio://a:1/a/b", "lower-case"),
            ("fluvio://a:1/-a", "lower-case"),
        ] {
            let error = bad.parse::<FluvioUrl>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
            assert!(error.contains("fluvio://HOST:PORT/TOPIC"), "{error}");
        }
    }
}
