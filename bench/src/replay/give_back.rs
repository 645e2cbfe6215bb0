//! What a buyer does with a `C` invoice: cancel the whole order that it equals, once that has ended.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::buyer::{PATIENCE, Visit, last_end};
use super::outcome::{Outcome, ReturnEnd};
use super::returns::Return;
use crate::client::CallError;
use crate::http::Request;

impl Visit {
    pub(super) async fn give_back(&mut self, place: usize, wanted: Return) -> ReturnEnd {
        let target = match wanted {
            Return::Whole(target) => target,
            Return::Repeated => return ReturnEnd::Repeated,
            Return::Part => return ReturnEnd::Part,
            Return::Unmatched => return ReturnEnd::Unmatched,
            Return::NoCustomer => return ReturnEnd::NoCustomer,
        };
        self.due(place).await;
        self.is_cart_mixed |= last_end(&mut self.running).await;
        let id = match self.stage.outcomes.of(target) {
            Some(Outcome::Accepted(id)) => id,
            Some(Outcome::NothingToSell) => return ReturnEnd::NoOrder("nothing to sell".into()),
            _ => return ReturnEnd::NoOrder("refused".into()),
        };
        self.cancel(&id).await.unwrap_or_else(|error| {
            self.stage.outcomes.fault(format!("cancelling order {id}: {error}"));
            ReturnEnd::Unanswered
        })
    }

    async fn cancel(&self, id: &str) -> Result<ReturnEnd, CallError> {
        let order = self.account().order(id).await?;
        if order.status != "paid" {
            return Ok(ReturnEnd::NoOrder(order.status));
        }
        let path = format!("/v1/orders/{id}/cancel");
        let request = Request::json("POST", &path, r#"{"reason":"returned"}"#);
        let refused = match self.account().call(request).await {
            Ok(_) => None,
            // Perhaps because an attempt without an answer has cancelled it: the order tells.
            Err(CallError::Refused(problem)) => Some(problem.code),
            Err(error) => return Err(error),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let order = self.account().order(id).await?;
            if order.status == "cancelled" {
                return Ok(ReturnEnd::Cancelled);
            }
            let outcome = order.cancellation.as_ref().map(|wish| wish.outcome.clone());
            match (outcome, &refused) {
                (Some(Some(decided)), _) => return Ok(ReturnEnd::Refused(decided)),
                (None, Some(code)) => return Ok(ReturnEnd::Refused(code.clone())),
                _ if Instant::now() > deadline => {
                    return Ok(ReturnEnd::Refused("undecided".into()));
                }
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}
