//! Connections to AWS: TLS with one set of trusted authorities, HTTP/1.1 or HTTP/2, TLS or plain text, as the
//! HTTP client that the SDK is given.
//!
//! The SDK's own client turns every plain-text endpoint into HTTP/1.1 and hides the settings of HTTP/2; this
//! one speaks HTTP/2 to both and pings its peer, so that a frozen one is noticed. It knows no service.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why no connection could ever be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The extra authority is not PEM, or no certificate is in it.
    #[error("the extra CA certificate cannot be read: {0}; it must be a PEM file with CERTIFICATE blocks")]
    Ca(String),
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Whom connections trust: the system's authorities and, where given, one more.
#[derive(Debug, Clone)]
pub(crate) struct Trust(ClientConfig);

impl Trust {
    /// The system's authorities and those of `ca`, PEM.
    ///
    /// # Errors
    /// `ca` holds no certificate.
    pub(crate) fn new(ca: Option<&[u8]>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if let Some(pem) = ca {
            let mut found = 0;
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| TrustError::Ca(e.to_string()))?;
                roots.add(certificate).map_err(|e| TrustError::Ca(e.to_string()))?;
                found += 1;
            }
            if found == 0 {
                return Err(TrustError::Ca("no certificate is in it".to_owned()));
            }
        }
        if roots.is_empty() {
            // Plain-text endpoints work all the same, so this is no error yet.
            tracing::warn!("no certificate authority is known: TLS connections will fail");
        }
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(config))
    }

    fn tcp(connect_timeout: Duration) -> TcpConnector {
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp
    }

    /// HTTP/1.1, a new connection for each request, closed when its answer has been read or dropped.
    pub(crate) fn http1(&self, connect_timeout: Duration) -> SharedHttpClient {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(self.0.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(Self::tcp(connect_timeout));
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0);
        shared(&builder, https)
    }

    /// HTTP/2 over one connection, TLS or plain text with prior knowledge. While a stream is open it is
    /// pinged every `ping`; without an answer within `pong` it is broken.
    pub(crate) fn http2(
        &self,
        connect_timeout: Duration,
        ping: Duration,
        pong: Duration,
    ) -> SharedHttpClient {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(self.0.clone())
            .https_or_http()
            .enable_http2()
            .wrap_connector(Self::tcp(connect_timeout));
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .http2_only(true)
            .http2_keep_alive_interval(ping)
            .http2_keep_alive_timeout(pong);
        shared(&builder, https)
    }
}

/// A client as the SDK takes it. Its time-outs are its own: the SDK's settings are not looked at.
fn shared(builder: &legacy::Builder, https: HttpsConnector<TcpConnector>) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Http { client: builder.build(https) });
    http_client_fn(move |_, _| connector.clone())
}

/// One hyper client with its pool.
#[derive(Debug, Clone)]
struct Http {
    client: legacy::Client<HttpsConnector<TcpConnector>, SdkBody>,
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let answer = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let response = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The request was never sent because no credentials are configured, or wrong ones; a provider that merely
/// failed or took too long is not meant.
pub(crate) fn has_no_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
        )
    })
}

/// An error with its causes in one line, the outermost first.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for cause in causes(error) {
        let text = cause.to_string();
        // Many layers repeat what they wrap.
        if !line.contains(&text) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
        }
    }
    line
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
