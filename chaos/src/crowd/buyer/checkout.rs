//! The ways to check out: with a key that is sent until the answer is known, or with a double click without one.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use ordermill_bench::http::Request;

use super::Buyer;
use super::kept::Bought;
use crate::crowd::caller::Reply;
use crate::testimony::{DoubleClick, Moment, Purchase};

const PATH: &str = "/v1/checkout";

impl Buyer {
    /// Checks out with a key, which is sent until the answer is known; then perhaps again, and perhaps
    /// with another body.
    pub(super) async fn check_out(&mut self, body: &str) -> Result<Vec<String>> {
        let key = format!("{}-{}", self.email, self.orders);
        let request = Request::json("POST", PATH, body).keyed(&key);
        let place = self.purchase(Some(key.clone()));
        let mut is_sure = true;
        if self.caller.dice().percent(self.mood.doubles) {
            for reply in self.click_twice("checkout twice", &key, &request).await {
                is_sure &= reply.is_some();
                self.note(place, reply.as_ref());
            }
        }
        let reply = self.caller.ask("checkout", &key, &request).await?;
        let Some(order) = self.note(place, Some(&reply)) else {
            self.caller.testimony().refused(place, reply.status, is_sure && reply.is_sure);
            return Ok(Vec::new());
        };
        let bought = Bought { place, key, body: body.to_owned() };
        if self.caller.dice().percent(self.mood.doubles) {
            self.repeat("checkout again", &bought).await?;
        }
        if self.caller.dice().percent(self.mood.doubles) {
            self.reuse(&bought).await?;
        }
        self.kept.keep(bought, self.caller.dice());
        Ok(vec![order])
    }

    /// Clicks twice. Each answer names an order: one, or two if something came into the cart between the clicks.
    pub(super) async fn check_out_without_key(&mut self, body: &str) -> Vec<String> {
        let request = Request::json("POST", PATH, body);
        let email = self.email.clone();
        let replies = self.click_twice("checkout without key", &email, &request).await;
        let mut places = BTreeMap::new();
        for reply in replies.iter().flatten().filter(|reply| reply.status == 202) {
            let order = reply.text("id").to_owned();
            let place = *places.entry(order).or_insert_with(|| self.purchase(None));
            self.note(place, Some(reply));
        }
        places.into_keys().collect()
    }

    /// Uses some of the keys again that have had their orders since whenever: with the same body, and with another.
    pub(super) async fn use_keys_again(&mut self) -> Result<()> {
        for bought in std::mem::take(&mut self.kept).into_all() {
            self.repeat("checkout at the end", &bought).await?;
            self.reuse(&bought).await?;
        }
        Ok(())
    }

    /// The key with the same body; it has its order.
    async fn repeat(&mut self, what: &str, bought: &Bought) -> Result<()> {
        let request = Request::json("POST", PATH, &bought.body).keyed(&bought.key);
        let reply = self.caller.ask(what, &bought.key, &request).await?;
        if self.note(bought.place, Some(&reply)).is_none() {
            self.caller.testimony().refused(bought.place, reply.status, false);
        }
        Ok(())
    }

    /// The key with another body.
    async fn reuse(&mut self, bought: &Bought) -> Result<()> {
        let Bought { key, body, .. } = bought;
        let other = format!("{body} ");
        let request = Request::json("POST", PATH, &other).keyed(key);
        let reply = self.caller.ask("reuse key", key, &request).await?;
        if reply.status != 422 || reply.text("code") != "idempotency_key_reused" {
            let words =
                format!("{key} with another body was answered {} {}", reply.status, reply.body);
            self.caller.testimony().violation(words);
        }
        Ok(())
    }

    /// Calls twice at the same time, and takes down what came of that.
    async fn click_twice(
        &mut self,
        what: &str,
        subject: &str,
        request: &Request<'_>,
    ) -> [Option<Reply>; 2] {
        let (loose, began) = (self.loose(), Moment::now());
        let replies = self.caller.twice(what, subject, request).await;
        let ended = Instant::now();
        let (accepted, refused): (Vec<_>, Vec<_>) =
            replies.iter().flatten().partition(|reply| reply.status == 202);
        let click = DoubleClick {
            buyer: self.email.clone(),
            is_keyed: request.key.is_some(),
            began,
            ended,
            filled_again: None,
            loose,
            named: accepted.iter().map(|reply| reply.text("id").to_owned()).collect(),
            refused: refused.iter().map(|reply| reply.status).collect(),
        };
        self.clicked = Some(self.caller.testimony().clicked(click));
        replies
    }

    fn purchase(&self, key: Option<String>) -> usize {
        self.caller.testimony().purchase(Purchase::new(&self.email, key))
    }

    /// Takes an accepted order's id down.
    fn note(&self, place: usize, reply: Option<&Reply>) -> Option<String> {
        let reply = reply.filter(|reply| reply.status == 202)?;
        let order = reply.text("id").to_owned();
        self.caller.testimony().answered(place, &order, &reply.letters);
        Some(order)
    }
}
