//! What a checkout's request says.

use axum::http::HeaderMap;
use ordermill_common::checkout::{HeaderKey, Wanted};
use ordermill_common::money::{Currency, Money};
use ordermill_common::payment::Method;
use serde::Deserialize;

use crate::extract::read_json;
use crate::flaws::Flaws;
use crate::problem::{Code, Problem};

const KEY: &str = "idempotency-key";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    payment_method: String,
    expected_total: Option<Money>,
}

/// The key from the header, if there is one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<HeaderKey>, Problem> {
    let mut given = headers.get_all(KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let mut flaws = Flaws::default();
    if given.next().is_some() {
        flaws.add("Idempotency-Key", "sent more than once");
        return Err(flaws.into());
    }
    let parsed = value.to_str().unwrap_or("").parse();
    flaws.check("Idempotency-Key", parsed).map(Some).ok_or_else(|| flaws.into())
}

/// What the body asks for.
pub(super) fn read(
    headers: &HeaderMap,
    body: &[u8],
    currency: Currency,
) -> Result<Wanted, Problem> {
    let request: Request = read_json(headers, body)?;
    let mut flaws = Flaws::default();
    let expected_total = match request.expected_total {
        Some(total) if total.currency != currency => {
            let sells = format_args!("this installation sells in {currency}");
            flaws.add("#/expected_total/currency", sells);
            return Err(flaws.into());
        }
        Some(total) if total.amount < 0 => {
            flaws.add("#/expected_total/amount", "not below 0");
            return Err(flaws.into());
        }
        total => total.map(|total| total.amount),
    };
    let method: Method = request
        .payment_method
        .parse()
        .map_err(|unknown| Problem::new(Code::UnknownPaymentMethod, format!("{unknown}")))?;
    Ok(Wanted { method, expected_total })
}
