//! The payment gateway that this worker asks: the one behind the configured URL, or a mock in the process.
//!
//! ```text
//! worker: Till -> HttpGateway --POST /v1/charges, /v1/voids--> `ordermill-worker mock-gateway` -> ledger
//!                 MockGateway ----------------------------------------------------------------> ledger
//! ```
//!
//! Both keep the promise of [`Gateway`]: whatever becomes of a call, asking again with its key is safe.

use std::sync::Arc;

use anyhow::Context as _;
use ordermill_common::id::OwnerId;
use ordermill_common::payment::Gateway;
use ordermill_common::payment::mock::MockGateway;

use crate::config::PaymentArgs;

pub mod http;
pub mod mock;
#[cfg(test)]
mod tests;
pub mod wire;

pub use http::HttpGateway;

/// The gateway of the settings. Asks nothing yet; the mock's ledger must be writable.
pub fn of(args: &PaymentArgs, owner: OwnerId) -> anyhow::Result<Arc<dyn Gateway>> {
    if let Some(url) = &args.payment_gateway_url {
        let gateway = HttpGateway::new(url, usize::from(args.charges));
        return Ok(Arc::new(gateway.context("cannot prepare the payment gateway's client")?));
    }
    let ledger = &args.payment_ledger;
    let gateway = MockGateway::open(ledger, &owner.to_string())
        .with_context(|| format!("cannot open the payment ledger {}", ledger.display()))?;
    Ok(Arc::new(gateway))
}
