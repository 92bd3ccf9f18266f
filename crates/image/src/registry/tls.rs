//! Which certificates a registry is believed, and which we show it.
//!
//! A directory for a registry has Docker's files: `*.crt` are authorities that are trusted besides the
//! machine's, `*.cert` with the `*.key` of the same name are what we show.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("cannot read the certificates in {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} has no certificate that can be used")]
    Certificate { path: PathBuf },
    #[error("missing key {key} for client certificate {path}. CA certificates must use the extension .crt")]
    MissingKey { path: PathBuf, key: PathBuf },
    #[error("missing client certificate {path} for key {key}")]
    MissingCertificate { path: PathBuf, key: PathBuf },
    #[error("the certificate {path} and its key cannot be used")]
    Pair { path: PathBuf, source: rustls::Error },
    #[error("cannot speak TLS")]
    Protocol(#[source] rustls::Error),
}

/// Whether a server has to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Needed,
    Waived,
}

/// The authorities that this machine trusts, read when they are first needed.
#[derive(Debug, Default)]
pub(super) struct Trust(OnceLock<RootCertStore>);

impl Trust {
    fn roots(&self) -> RootCertStore {
        let read = || {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        };
        self.0.get_or_init(read).clone()
    }

    /// How to speak TLS with a registry whose own certificates are in these directories, as far as they exist.
    pub(super) fn config(&self, directories: &[PathBuf], proof: Proof) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = self.roots();
        let mut identity = None;
        for directory in directories {
            let own = Own::read(directory)?;
            roots.add_parsable_certificates(own.authorities);
            identity = identity.or(own.identity);
        }
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Protocol)?;
        let builder = match proof {
            Proof::Needed => builder.with_root_certificates(roots),
            Proof::Waived => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            }
        };
        match identity {
            None => Ok(builder.with_no_client_auth()),
            Some(Identity { path, chain, key }) => {
                builder.with_client_auth_cert(chain, key).map_err(|source| TlsError::Pair { path, source })
            }
        }
    }
}

/// The files of one directory.
#[derive(Default)]
struct Own {
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
}

/// What we show.
struct Identity {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Own {
    fn read(directory: &Path) -> Result<Self, TlsError> {
        let failed = |source| TlsError::Read { path: directory.to_owned(), source };
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(failed)?,
        };
        let mut paths =
            entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
        paths.sort();
        let mut own = Self::default();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => own.authorities.extend(certificates(&path)?),
                Some("cert") => {
                    let key = path.with_extension("key");
                    if !key.exists() {
                        return Err(TlsError::MissingKey { path, key });
                    }
                    let identity = Identity { chain: certificates(&path)?, key: private_key(&key)?, path };
                    own.identity.get_or_insert(identity);
                }
                Some("key") if !path.with_extension("cert").exists() => {
                    return Err(TlsError::MissingCertificate {
                        path: path.with_extension("cert"),
                        key: path,
                    });
                }
                Some(_) | None => {}
            }
        }
        Ok(own)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = || TlsError::Certificate { path: path.to_owned() };
    let all = CertificateDer::pem_file_iter(path).map_err(|_| unusable())?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|_| unusable())?;
    if all.is_empty() { Err(unusable()) } else { Ok(all) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|_| TlsError::Certificate { path: path.to_owned() })
}

/// Believes everybody: for registries that somebody has called insecure.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
