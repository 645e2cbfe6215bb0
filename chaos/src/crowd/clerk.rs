//! An administrator who moves orders along, cancels some, and so meets the buyers' changes of mind.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ordermill_bench::http::Request;
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::pace::Pace;

const NEXT: [(&str, &str); 3] =
    [("paid", "packed"), ("packed", "shipped"), ("shipped", "delivered")];
const PAUSE: Duration = Duration::from_millis(100);
/// Cancelled instead of moved, of a hundred.
const CANCELS: u32 = 10;

/// Works until `closing`.
pub(super) async fn work(
    mut clerk: Caller,
    pace: Arc<Pace>,
    closing: CancellationToken,
) -> Result<()> {
    while closing.run_until_cancelled(pace.open()).await.is_some() {
        let (from, to) = *clerk.dice().pick(&NEXT);
        if let Some(order) = any(&mut clerk, from).await? {
            if clerk.dice().percent(CANCELS) {
                let path = format!("/v1/admin/orders/{order}/cancel");
                let reply = clerk.ask("admin cancel", &order, &Request::new("POST", &path)).await?;
                clerk.testimony().wished(&order, reply.status);
            } else {
                let path = format!("/v1/admin/orders/{order}/status");
                let body = format!("{{\"status\":\"{to}\"}}");
                let request = Request::json("POST", &path, &body);
                let reply = clerk.ask("move", &order, &request).await?;
                if reply.is_ok() {
                    clerk.testimony().moved(&order, to);
                }
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
