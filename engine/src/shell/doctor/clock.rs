//! This machine's clock against those of the services: signatures and tokens depend on it.

use crate::time::Span;

use super::probe::probe;
use super::{Clinic, Finding, Health};

const WHAT: &str = "clock";
/// Tokens are made with no more room than this for clocks that differ.
const WARN_BEYOND: Span = Span::from_s(30);
/// AWS takes no signature that is older or younger. Source: AWS Signature Version 4, troubleshooting.
const FAIL_BEYOND: Span = Span::from_s(300);
const ADVICE: &str = "set the clock (chrony, the hypervisor): AWS refuses signatures, and Salesforce tokens, of \
                      another time, and start times and gates are misplaced by as much";

impl Clinic<'_> {
    /// Asks two services what time it is.
    pub(super) async fn clock(&self) -> Vec<Finding> {
        let kinesis = self.kinesis_url();
        let salesforce = self.sections.salesforce.endpoint_base.as_deref();
        let (aws, salesforce) = tokio::join!(Box::pin(probe(&self.http, &kinesis)), async {
            Box::pin(probe(&self.http, salesforce?)).await.ok()
        });
        let skews = [("AWS", aws.ok()), ("Salesforce", salesforce)];
        let known = skews.into_iter().filter_map(|(who, answer)| Some((who, answer?.skew?)));
        vec![judge(known.max_by_key(|(_, skew)| skew.us().abs()))]
    }
}

fn judge(worst: Option<(&str, Span)>) -> Finding {
    let Some((who, skew)) = worst else {
        return Finding::warning(WHAT, "no service told the time", "see below why none answered");
    };
    let beyond = |limit: Span| skew.us().abs() > limit.us();
    let health = match () {
        () if beyond(FAIL_BEYOND) => Health::Failed,
        () if beyond(WARN_BEYOND) => Health::Warning,
        () => return Finding::ok(WHAT, format!("within {} s of {who}'s", WARN_BEYOND.ms() / 1000)),
    };
    let way = if skew > Span::ZERO { "behind" } else { "ahead of" };
    let detail = format!("{} s {way} {who}'s", skew.us().abs() / 1_000_000);
    Finding { health, ..Finding::warning(WHAT, detail, ADVICE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off_either_way() {
        let health = |s| judge(Some(("AWS", Span::from_s(s)))).health;
        let judged = [0, 29, -29, 31, -31, 301, -301].map(health);
        use Health::{Failed, Ok, Warning};
        assert_eq!(judged, [Ok, Ok, Ok, Warning, Warning, Failed, Failed]);
        assert_eq!(judge(Some(("AWS", Span::from_s(-90)))).detail, "90 s ahead of AWS's");
    }
}
