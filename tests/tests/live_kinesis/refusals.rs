//! Every exception of both operations, the limits, and stale endpoints.

use engine::call::{MediaAction, MediaCause, MediaFrom};
use engine::shell::kinesis::{Kinesis, KinesisOptions};
use tests::emulators::kinesis::{Exception, Fault, Options};
use tests::emulators::sigv4::Credentials;
use tests::live::sdk;

use crate::kit::{
    ARN, drain, in_time, open, open_connections, options, reader, request, server, server_with,
};

const TABLE: [(Exception, MediaCause, MediaAction); 10] = [
    (Exception::NOT_FOUND, MediaCause::NoStream, MediaAction::Fatal),
    (Exception::NOT_AUTHORIZED, MediaCause::NotAuthorised, MediaAction::Fatal),
    (Exception::INVALID_ENDPOINT, MediaCause::Endpoint, MediaAction::Retry),
    (Exception::CLIENT_LIMIT, MediaCause::Limit, MediaAction::Retry),
    (Exception::CONNECTION_LIMIT, MediaCause::Limit, MediaAction::Retry),
    (Exception::SIGNATURE, MediaCause::NotAuthorised, MediaAction::Fatal),
    (Exception::INVALID_ARGUMENT, MediaCause::Selector, MediaAction::NextSelector),
    (Exception { name: "AccessDeniedException", status: 400 }, MediaCause::NotAuthorised, MediaAction::Fatal),
    (Exception { name: "InternalFailure", status: 500 }, MediaCause::Service, MediaAction::Retry),
    (Exception { name: "NoveltyException", status: 400 }, MediaCause::Service, MediaAction::Retry),
];

#[tokio::test]
async fn every_exception_of_get_media_says_what_to_do() {
    let server = server().await;
    let kinesis = reader(&server);
    for (exception, cause, action) in TABLE {
        server.state().script(vec![Fault::Refuse(exception)]);
        let error = open(&kinesis, MediaFrom::AfterFragment("123".to_owned())).await.unwrap_err();
        assert_eq!((error.cause, error.action), (cause, action), "{exception:?}: {error}");
        for part in [ARN, "FRAGMENT_NUMBER 123", "GetMedia", exception.name] {
            assert!(error.message.contains(part), "{part} is not in: {error}");
        }
    }
}

#[tokio::test]
async fn every_exception_of_get_data_endpoint_says_what_to_do() {
    let server = server().await;
    for (exception, cause, action) in TABLE {
        server.state().script_endpoint(exception);
        let kinesis = reader(&server);
        let error = open(&kinesis, MediaFrom::Now).await.unwrap_err();
        assert_eq!((error.cause, error.action), (cause, action), "{exception:?}: {error}");
        assert!(error.message.contains("GetDataEndpoint"), "{error}");
        // Nothing of it stays behind.
        open(&kinesis, MediaFrom::Earliest).await.unwrap();
    }
}

#[tokio::test]
async fn an_expired_token_is_tried_once_more() {
    let expired = Exception { name: "ExpiredTokenException", status: 403 };
    let server = server().await;
    let kinesis = reader(&server);
    server.state().script(vec![Fault::Refuse(expired)]);
    open(&kinesis, MediaFrom::Earliest).await.unwrap();
    for _ in 0..2 {
        server.state().script(vec![Fault::Refuse(expired)]);
    }
    let error = open(&kinesis, MediaFrom::Earliest).await.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::NotAuthorised, MediaAction::Fatal));
    assert!(error.message.contains("expired"), "{error}");
}

#[tokio::test]
async fn the_stream_is_missing() {
    let server = server().await;
    let kinesis = reader(&server);
    let error = in_time(kinesis.open(&request("arn:aws:no:such", MediaFrom::Now))).await.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::NoStream, MediaAction::Fatal));
}

#[tokio::test]
async fn a_wrong_key_and_no_key_end_the_call() {
    let server = server().await;
    let ca = server.ca_pem().map(str::as_bytes);
    let wrong = Kinesis::new(&sdk("wrong"), ca, &options(&server)).unwrap();
    let error = open(&wrong, MediaFrom::Now).await.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::NotAuthorised, MediaAction::Fatal), "{error}");
    let none = sdk("").into_builder().credentials_provider(NoKeys::shared()).build();
    let error = open(&Kinesis::new(&none, ca, &options(&server)).unwrap(), MediaFrom::Now).await.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::NotAuthorised, MediaAction::Fatal), "{error}");
    assert!(error.message.contains("configure AWS credentials"), "{error}");
}

#[tokio::test]
async fn a_fourth_connection_is_over_the_limit_until_one_is_dropped() {
    let server = server_with(Options::default()).await;
    let kinesis = reader(&server);
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(open(&kinesis, MediaFrom::Now).await.unwrap());
    }
    let error = open(&kinesis, MediaFrom::Now).await.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::Limit, MediaAction::Retry));
    assert!(error.message.contains("three connections"), "{error}");
    bodies.pop();
    open_connections(&server, 2).await;
    open(&kinesis, MediaFrom::Now).await.unwrap();
}

#[tokio::test]
async fn a_stale_endpoint_is_forgotten_and_asked_for_again() {
    let (old, new) = (server().await, server().await);
    // Both servers must be trusted: the certificates of both are given.
    let ca = format!("{}{}", old.ca_pem().unwrap(), new.ca_pem().unwrap());
    let secret = Credentials::example().secret_access_key;
    let kinesis = Kinesis::new(&sdk(&secret), Some(ca.as_bytes()), &options(&new)).unwrap();
    new.state().set_endpoint(&old.url());
    drain(&mut open(&kinesis, MediaFrom::Earliest).await.unwrap()).await.2.unwrap();
    assert_eq!((old.state().selectors().len(), new.state().selectors().len()), (1, 0));

    // The stream has moved. What is known is used until it fails.
    new.state().set_endpoint(&new.url());
    open(&kinesis, MediaFrom::Earliest).await.unwrap();
    assert_eq!(old.state().selectors().len(), 2, "the endpoint is cached");
    old.state().script(vec![Fault::Refuse(Exception::INVALID_ENDPOINT)]);
    let error = open(&kinesis, MediaFrom::Earliest).await.unwrap_err();
    assert_eq!(error.cause, MediaCause::Endpoint);
    open(&kinesis, MediaFrom::Earliest).await.unwrap();
    assert_eq!(new.state().selectors().len(), 1, "it was asked for again");
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_is_forgotten_too() {
    let (mut old, new) = (server().await, server().await);
    let ca = format!("{}{}", old.ca_pem().unwrap(), new.ca_pem().unwrap());
    let secret = Credentials::example().secret_access_key;
    let kinesis = Kinesis::new(&sdk(&secret), Some(ca.as_bytes()), &options(&new)).unwrap();
    new.state().set_endpoint(&old.url());
    open(&kinesis, MediaFrom::Earliest).await.unwrap();
    old.server().refuse().await;
    new.state().set_endpoint(&new.url());
    let error = open(&kinesis, MediaFrom::Earliest).await.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::Connection, MediaAction::Retry), "{error}");
    open(&kinesis, MediaFrom::Earliest).await.unwrap();
}

#[tokio::test]
async fn a_peer_whose_certificate_is_not_trusted_is_named() {
    let server = server().await;
    let secret = Credentials::example().secret_access_key;
    let kinesis = Kinesis::new(&sdk(&secret), None, &options(&server)).unwrap();
    let error = open(&kinesis, MediaFrom::Now).await.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::Connection, MediaAction::Retry));
    assert!(error.message.to_lowercase().contains("certificate"), "{error}");
}

#[test]
fn a_certificate_that_is_none_is_refused_at_once() {
    let error = Kinesis::new(&sdk(""), Some(b"no certificate"), &KinesisOptions::default()).unwrap_err();
    assert!(error.to_string().contains("PEM"), "{error}");
}

/// A provider that has nothing.
#[derive(Debug)]
struct NoKeys;

impl NoKeys {
    fn shared() -> aws_credential_types::provider::SharedCredentialsProvider {
        aws_credential_types::provider::SharedCredentialsProvider::new(Self)
    }
}

impl aws_credential_types::provider::ProvideCredentials for NoKeys {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let none = aws_credential_types::provider::error::CredentialsError::not_loaded("none here");
        aws_credential_types::provider::future::ProvideCredentials::ready(Err(none))
    }
}
