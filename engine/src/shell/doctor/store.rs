//! Whether calls can be kept: the folder can be written to, or the table is there as it should be.

use crate::shell::store::{StoreError, StoreKind, storage};

use super::{Clinic, Finding, Health};

const WHAT: &str = "store";

impl Clinic<'_> {
    pub(super) async fn store(&self) -> Vec<Finding> {
        let options = &self.sections.store;
        if options.kind == StoreKind::None {
            let advice = "set [store] kind to directory or dynamodb, so that another process goes on";
            return vec![Finding::warning(WHAT, "none: a call ends with its process", advice)];
        }
        let store = match storage(options, &self.aws).await {
            Ok(store) => store,
            Err(error) => return vec![Finding::of_text(WHAT, Health::Failed, &error.to_string())],
        };
        vec![match store.probe().await {
            Ok(found) => Finding::ok(WHAT, found),
            Err(StoreError::Aws(error)) => Finding::failed(WHAT, error.what(), error.advice()),
            Err(error) => Finding::of_text(WHAT, Health::Failed, &error.to_string()),
        }]
    }
}
