//! Where the key comes from, and in which form.

use aws_credential_types::Credentials as Pair;
use aws_credential_types::provider::SharedCredentialsProvider;
use engine::call::Outcome;
use engine::shell::aws::{Aws, AwsOptions};
use engine::shell::salesforce::Salesforce;
use engine::shell::secrets::{NoSecrets, SecretText};
use serde_json::json;
use tests::emulators::aws::{AwsServer, Options};
use tests::emulators::sigv4::Credentials;
use tests::emulators::{Clock, ServerOptions};

use crate::world::World;

async fn accepted(world: &World, sink: &Salesforce) {
    assert_eq!(sink.post(&world.post("m-1")).await, Outcome::Accepted);
}

/// PKCS#1 out of PKCS#8: the key is the last element, an octet string (RFC 5958), behind a version and an
/// algorithm that for RSA take 22 bytes.
fn pkcs1(pem: &str) -> String {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = decode_base64(&body);
    let inner = &der[26..];
    format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", encode_base64(inner))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn decode_base64(text: &str) -> Vec<u8> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        bits = bits << 6 | ALPHABET.iter().position(|a| *a == c).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}

fn encode_base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for n in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * n)) as usize & 63];
            out.push(if n > three.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

#[tokio::test]
async fn a_key_signs_in_every_form_in_which_it_is_kept() {
    let mut world = World::new().await;
    let pkcs8 = world.keys.private_pem.clone();
    let pkcs1 = pkcs1(&pkcs8);
    let one_line = pkcs1.replace('\n', "\\n");
    let spaces = pkcs8.replace('\n', " ");
    for (form, pem) in [("PKCS#8", pkcs8), ("PKCS#1", pkcs1), ("escaped", one_line), ("one line", spaces)] {
        world.options.private_key = Some(SecretText::new(pem));
        let sink = Salesforce::connect(&world.options, &NoSecrets).await;
        accepted(&world, &sink.unwrap_or_else(|e| panic!("{form}: {e}"))).await;
    }
}

#[tokio::test]
async fn a_key_comes_from_a_file_a_secret_or_a_parameter() {
    let world = World::new().await;
    let signed = Options { credentials: Some(Credentials::example()) };
    let server = AwsServer::start(signed, ServerOptions::tls(&["http/1.1"]), Clock::real()).await.unwrap();
    let secret = json!({"SCRT_ENDPOINT_BASE": world.server.base(), "SALESFORCE_ORG_ID": "00DRM00000GuTE",
        "CALL_CENTER_API_NAME": "HVCC", "TRANSCRIBE_REGION": "eu-west-2",
        "HVCC-scrt-jwt-auth-private-key": pkcs1(&world.keys.private_pem)});
    server.state().add_secret("acme-scv", &secret.to_string());
    server.state().add_parameter("/acme/key", &world.keys.private_pem);
    let ca = world.folder.path().join("aws.pem");
    std::fs::write(&ca, server.ca_pem().unwrap()).unwrap();
    let options = AwsOptions {
        region: Some("eu-west-2".into()),
        ca_file: Some(ca),
        secrets_manager_endpoint_url: Some(server.url()),
        ssm_endpoint_url: Some(server.url()),
        ..AwsOptions::default()
    };
    let pair = Credentials::example();
    let pair = Pair::new(pair.access_key_id, pair.secret_access_key, None, None, "test");
    let aws = Aws::new(options, SharedCredentialsProvider::new(pair)).unwrap();

    let mut from_file = world.options.clone();
    from_file.private_key = None;
    let mut from_parameter = from_file.clone();
    let mut from_secret = from_file.clone();
    let file = world.folder.path().join("key.pem");
    std::fs::write(&file, &world.keys.private_pem).unwrap();
    from_file.private_key_file = Some(file);
    from_parameter.private_key_parameter = Some("/acme/key".into());
    // The secret supplies all else too.
    (from_secret.endpoint_base, from_secret.org_id, from_secret.call_center) = (None, None, None);
    from_secret.secret_name = Some("acme-scv".into());
    for options in [&from_file, &from_parameter, &from_secret] {
        accepted(&world, &Salesforce::connect(options, &aws).await.unwrap()).await;
    }

    from_secret.secret_name = Some("other".into());
    let error = Salesforce::connect(&from_secret, &aws).await.unwrap_err().to_string();
    assert!(error.contains("secret_name") && error.contains("ResourceNotFoundException"), "{error}");
    from_secret.private_key_parameter = Some("/acme/key".into());
    let error = Salesforce::connect(&from_secret, &aws).await.unwrap_err().to_string();
    assert!(error.contains("secret_name and private_key_parameter exclude each other"), "{error}");
}
