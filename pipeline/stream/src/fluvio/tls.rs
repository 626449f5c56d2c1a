//! Certificates for connections to a cluster that asks for them.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::config::TlsConfig;
use super::wire::Tls;
use crate::error::StreamError;

fn bad(setting: &'static str, what: String) -> StreamError {
    StreamError::BadConfig { setting, what }
}

fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, StreamError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(bad(
            setting,
            format!("{} holds no certificate in PEM", path.display()),
        )),
        Err(e) => Err(bad(setting, format!("{}: {e}", path.display()))),
    }
}

/// Reads the files. The controller's host is the name that it must prove unless another is given.
pub(super) fn load(config: &TlsConfig, controller: &str) -> Result<Tls, StreamError> {
    const CA: &str = "stream.tls.ca_file";
    const CERT: &str = "stream.tls.cert_file";
    const KEY: &str = "stream.tls.key_file";
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(CA, &config.ca_file)? {
        let added = roots.add(certificate);
        added.map_err(|e| bad(CA, format!("{}: {e}", config.ca_file.display())))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad("stream.tls", e.to_string()))?
        .with_root_certificates(roots);
    let client = match (&config.cert_file, &config.key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates(CERT, cert)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| bad(KEY, format!("{}: {e}", key.display())))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| bad(CERT, format!("{}: {e}", cert.display())))?
        }
        (Some(_), None) => return Err(bad(KEY, "missing, and cert_file needs it".to_owned())),
        (None, Some(_)) => return Err(bad(CERT, "missing, and key_file needs it".to_owned())),
    };
    let host = controller.rsplit_once(':').map_or(controller, |(h, _)| h);
    Ok(Tls {
        config: Arc::new(client),
        name: config.domain.clone().unwrap_or_else(|| host.to_owned()),
    })
}
