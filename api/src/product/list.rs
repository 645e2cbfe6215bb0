//! `GET /v1/products`

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use ordermill_common::catalog::search::{self, Filter, Place, Sort};
use ordermill_common::money::MAX_PRICE;
use ordermill_common::page::{Limit, read_cursor};
use serde::Deserialize;

use crate::answer::{List, cached};
use crate::extract::{IfNoneMatch, Query};
use crate::flaws::Flaws;
use crate::problem::{Answer, Problem};
use crate::state::AppState;
use crate::wire::ProductBody;

/// A longer text is in no name and no SKU.
const LONGEST_TEXT: usize = 200;

/// What is looked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    q: Option<String>,
    min_price: Option<i64>,
    max_price: Option<i64>,
    sort: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// The products for sale.
pub async fn list(
    State(app): State<AppState>,
    OriginalUri(uri): OriginalUri,
    Query(parameters): Query<Parameters>,
    has: IfNoneMatch,
) -> Answer<Response> {
    let cursor = parameters.cursor.clone();
    let (filter, limit) = parameters.check()?;
    let after: Option<Place> = cursor.map(|cursor| read_cursor(&filter, &cursor)).transpose()?;
    let asked = (filter.clone(), after);
    let page = app.db.read(move |conn| {
        let (filter, after) = asked.clone();
        Box::pin(async move { search::page(conn, &filter, after.as_ref(), limit).await })
    });
    let page = page.await?;
    let next = page.next(&filter, Place::of);
    let rows = page.rows.into_iter().map(|product| ProductBody::new(product, app.currency));
    let list = List::new(rows.collect(), next);
    Ok((list.link(&uri), cached(&has, &list)).into_response())
}

impl Parameters {
    fn check(self) -> Result<(Filter, Limit), Problem> {
        let mut flaws = Flaws::default();
        let sort = self.sort.as_deref().unwrap_or("newest").parse::<Sort>();
        let sort = flaws.check("?sort", sort);
        let limit = flaws.check("?limit", Limit::try_new(self.limit));
        let text = self.q.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_TEXT) {
            flaws.add("?q", "at most 200 characters");
        }
        match (sort, limit, flaws.is_empty()) {
            (Some(sort), Some(limit), true) => {
                let min_price = self.min_price.unwrap_or(0);
                let max_price = self.max_price.unwrap_or(MAX_PRICE);
                Ok((Filter { text, min_price, max_price, sort }, limit))
            }
            _ => Err(flaws.into()),
        }
    }
}
