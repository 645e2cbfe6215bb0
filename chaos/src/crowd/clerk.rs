//! An administrator who moves orders along, cancels some, and so meets the buyers' changes of mind.

use std::time::Duration;

use anyhow::Result;
use ordermill_bench::http::Request;
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;

const NEXT: [(&str, &str); 3] =
    [("paid", "packed"), ("packed", "shipped"), ("shipped", "delivered")];
const PAUSE: Duration = Duration::from_millis(100);
/// Cancelled instead of moved, of a hundred.
const CANCELS: u32 = 10;

/// Works until `closing`.
pub(super) async fn work(mut clerk: Caller, closing: CancellationToken) -> Result<()> {
    while !closing.is_cancelled() {
        let (from, to) = *clerk.dice().pick(&NEXT);
        if let Some(order) = any(&mut clerk, from).await? {
            if clerk.dice().percent(CANCELS) {
                let path = format!("/v1/admin/orders/{order}/cancel");
                clerk.ask("admin cancel", &order, &Request::new("POST", &path)).await?;
            } else {
                let path = format!("/v1/admin/orders/{order}/status");
                let body = format!("{{\"status\":\"{to}\"}}");
                clerk.ask("move", &order, &Request::json("POST", &path, &body)).await?;
            }
        }
        let _ = closing.run_until_cancelled(sleep(PAUSE)).await;
    }
    Ok(())
}

async fn any(clerk: &mut Caller, status: &str) -> Result<Option<String>> {
    let path = format!("/v1/admin/orders?status={status}&limit=20");
    let reply = clerk.ask("list orders", status, &Request::new("GET", &path)).await?;
    let orders: Vec<&Value> = reply.body["data"].as_array().into_iter().flatten().collect();
    if orders.is_empty() {
        return Ok(None);
    }
    let order = *clerk.dice().pick(&orders);
    Ok(order["id"].as_str().map(str::to_owned))
}
