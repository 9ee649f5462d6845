//! TLS in front of a service: what a cold start meets at AWS's endpoints.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::CertifiedKey;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A party that speaks TLS and passes on what it reads in plain.
pub(crate) struct TlsFront {
    pub(crate) address: SocketAddr,
    directory: TempDir,
    accepting: JoinHandle<()>,
}

impl TlsFront {
    /// In front of `target`, with a certificate of its own.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()]).expect("a certificate");
        let directory = TempDir::new().expect("a directory");
        std::fs::write(directory.path().join("roots.pem"), cert.pem()).expect("a file");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let settings = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(settings));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(stream, acceptor.clone(), target));
            }
        });
        Self {
            address,
            directory,
            accepting,
        }
    }

    /// The file of the root certificates that a client needs to trust: its own, and those that were added.
    pub(crate) fn roots(&self) -> PathBuf {
        self.directory.path().join("roots.pem")
    }

    /// Adds a root certificate of another service.
    pub(crate) fn also_trust(&self, root: &str) {
        let own = std::fs::read_to_string(self.roots()).expect("its own");
        std::fs::write(self.roots(), own + root).expect("a file");
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass_on(stream: TcpStream, acceptor: TlsAcceptor, target: SocketAddr) {
    let _ = stream.set_nodelay(true);
    let (Ok(mut client), Ok(mut server)) = (acceptor.accept(stream).await, TcpStream::connect(target).await) else {
        return;
    };
    let _ = server.set_nodelay(true);
    // The side that hangs up ends the connection.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}
