//! A plain HTTP client over one connection: what the emulators are held to must not be their own code.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tests::emulators::Outgoing;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A connection of either version.
pub(crate) enum Client {
    One(http1::SendRequest<Outgoing>),
    Two(http2::SendRequest<Outgoing>),
}

/// The port of a base address.
pub(crate) fn port(url: &str) -> u16 {
    let host = url.split("//").nth(1).unwrap().split('/').next().unwrap();
    host.rsplit(':').next().unwrap().parse().unwrap()
}

impl Client {
    /// Connects; with a certificate to trust over TLS.
    pub(crate) async fn connect(url: &str, ca_pem: Option<&str>, two: bool) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port(url))).await?;
        let Some(ca_pem) = ca_pem else { return Self::over(stream, two).await };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![if two { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Self::over(stream, two).await
    }

    async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        two: bool,
    ) -> std::io::Result<Self> {
        let io = TokioIo::new(stream);
        if two {
            let shaken = http2::handshake(TokioExecutor::new(), io).await;
            let (send, connection) = shaken.map_err(std::io::Error::other)?;
            tokio::spawn(connection);
            return Ok(Self::Two(send));
        }
        let (send, connection) = http1::handshake(io).await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self::One(send))
    }

    pub(crate) async fn send(
        &mut self,
        request: http::Request<Outgoing>,
    ) -> hyper::Result<http::Response<Incoming>> {
        match self {
            Self::One(send) => {
                send.ready().await?;
                send.send_request(request).await
            }
            Self::Two(send) => {
                send.ready().await?;
                send.send_request(request).await
            }
        }
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) async fn ask(&mut self, request: http::Request<Bytes>) -> hyper::Result<(u16, Bytes)> {
        let response = self.send(request.map(Outgoing::whole)).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
