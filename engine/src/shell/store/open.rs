//! The store that the configuration asks for.

use std::sync::Arc;

use crate::shell::aws::Aws;
use crate::shell::clock;

use super::{
    Directory, DynamoDb, Memory, Sealed, Store, StoreClock, StoreError, StoreKind, StoreOptions,
    StoreOptionsError,
};

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The options.
    #[error(transparent)]
    Options(#[from] StoreOptionsError),
    /// The store itself.
    #[error("[store] cannot be used: {0}; or set [store] kind: directory, dynamodb or none")]
    Store(#[from] StoreError),
}

/// Opens the store and looks whether it can be used, so that no call begins that could not be kept.
///
/// # Errors
/// The options make no sense, the key cannot be had, or the store cannot be used.
pub async fn open(options: &StoreOptions, aws: &Arc<Aws>) -> Result<Arc<dyn Store>, OpenError> {
    let store = storage(options, aws).await?;
    store.probe().await?;
    Ok(store)
}

/// The same without a look at it.
///
/// # Errors
/// The options make no sense, or the key cannot be had.
pub async fn storage(options: &StoreOptions, aws: &Arc<Aws>) -> Result<Arc<dyn Store>, StoreOptionsError> {
    options.check()?;
    let clock: StoreClock = Arc::new(clock::now);
    let seal = match options.kind {
        // Nothing of it is ever written.
        StoreKind::None => return Ok(Arc::new(Memory::new(options.keep(), clock))),
        _ => options.seal(aws.as_ref()).await?,
    };
    Ok(match options.kind {
        StoreKind::DynamoDb => {
            let table = DynamoDb::new(Arc::clone(aws), &options.table, options.keep(), clock);
            Arc::new(Sealed::new(table, seal))
        }
        _ => Arc::new(Sealed::new(Directory::new(options.folder(), options.keep(), clock), seal)),
    })
}
