//! The key, where it comes from, the organisation, and whether the endpoint answers.

use crate::shell::aws::Aws;
use crate::shell::salesforce::{Salesforce, SalesforceOptions, SetupError};
use crate::shell::secrets::NoSecrets;

use super::{Finding, Health};

const KEY: &str = "private key";
const SECRET: &str = "secret";
const ORG: &str = "organisation";
const WHAT: &str = "salesforce";

/// Fetches the key, signs a token with it, and asks the endpoint for nothing.
pub(super) async fn check(options: &SalesforceOptions, aws: Option<&Aws>) -> Vec<Finding> {
    if !options.names_a_key() {
        let advice = "name it in [salesforce] to have it checked, or see that every payload has secretName";
        return vec![Finding::warning(KEY, "none is configured: payloads must name their secret", advice)];
    }
    let connected = match aws {
        Some(aws) => Box::pin(Salesforce::connect(options, aws)).await,
        None => Box::pin(Salesforce::connect(options, &NoSecrets)).await,
    };
    let salesforce = match connected {
        Ok(salesforce) => salesforce,
        Err(error) => return refused(options, &error),
    };
    let mut findings = secret(options).into_iter().collect::<Vec<_>>();
    findings.push(Finding::ok(KEY, "it signs tokens"));
    findings.push(organisation(salesforce.org_id()));
    findings.push(reach(&salesforce).await);
    findings
}

/// Where the key was fetched from, if it had to be.
fn secret(options: &SalesforceOptions) -> Option<Finding> {
    let secret = options.secret_name.as_ref().map(|name| format!("Secrets Manager has {name}"));
    let parameter = options.private_key_parameter.as_ref().map(|name| format!("SSM has {name}"));
    secret.or(parameter).map(|detail| Finding::ok(SECRET, detail))
}

fn refused(options: &SalesforceOptions, error: &SetupError) -> Vec<Finding> {
    let failed = |what| Finding::of_text(what, Health::Failed, &error.to_string());
    match error {
        SetupError::Secret { .. } | SetupError::SecretShape { .. } => vec![failed(SECRET)],
        SetupError::Missing { name: "private_key_file", .. } | SetupError::Contradiction(_) => {
            vec![failed(KEY)]
        }
        SetupError::File { .. } => {
            let advice = "check the path, and that this process may read it";
            vec![Finding { advice: Some(advice.to_owned()), ..failed(KEY) }]
        }
        SetupError::Key { .. } => {
            let advice = "store the RSA key in PEM whose certificate Salesforce's call centre knows";
            let key = Finding { advice: Some(advice.to_owned()), ..failed(KEY) };
            secret(options).into_iter().chain([key]).collect()
        }
        _ => secret(options).into_iter().chain([failed(ORG)]).collect(),
    }
}

/// Ids of organisations begin with 00D. Source: Salesforce, "Standard object key prefixes".
fn organisation(id: &str) -> Finding {
    if id.starts_with("00D") && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Finding::ok(ORG, id);
    }
    let advice = "take it from Setup, Company Information, as 00D…";
    Finding::failed(ORG, format!("[salesforce] org_id {id} is no id of an organisation"), advice)
}

async fn reach(salesforce: &Salesforce) -> Finding {
    let reached = match Box::pin(salesforce.check()).await {
        Ok(reached) => reached,
        Err(error) => return Finding::of_text(WHAT, Health::Failed, &error.to_string()),
    };
    let (endpoint, status) = (reached.endpoint, reached.status);
    let advice = "endpoint_base is https://{MyDomain}.my.salesforce-scrt.com/telephony/v1";
    if !endpoint.ends_with("/telephony/v1") {
        return Finding::warning(WHAT, format!("{endpoint} does not end in /telephony/v1"), advice);
    }
    match status {
        300..400 => Finding::warning(WHAT, format!("{endpoint} leads elsewhere (status {status})"), advice),
        500.. => Finding::warning(
            WHAT,
            format!("{endpoint} fails (status {status})"),
            "look at trust.salesforce.com",
        ),
        _ => Finding::ok(WHAT, format!("{endpoint} answers; only a post shows whether it takes the token")),
    }
}
