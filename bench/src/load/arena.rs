//! Where the load takes place: products with plenty of stock, and accounts whose carts are filled.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;
use xtask::secret;

use crate::client::{CallError, Client, mix};
use crate::http::Request;
use crate::live;
use crate::shop::Account;
use crate::target::Target;

/// Units of each product in the beginning.
pub(super) const STOCK: u64 = 1_000_000;
/// Lines of each cart, of one unit each.
pub(super) const LINES: usize = 2;

const AT_A_TIME: usize = 32;
const CALL_LIMIT: Duration = Duration::from_mins(1);

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Carts of a round.
    pub(super) carts: usize,
    /// Products.
    pub(super) products: usize,
}

/// Accounts and products of one installation, and what was ordered there so far.
#[derive(Debug)]
pub(super) struct Arena {
    /// The API.
    pub(super) client: Arc<Client>,
    /// An administrator.
    pub(super) admin: Account,
    /// One account a cart.
    pub(super) carts: Vec<Cart>,
    /// The ids of the products.
    pub(super) products: Vec<String>,
    /// Units ordered so far, by product.
    pub(super) ordered: Vec<u64>,
    /// Rounds of checkouts so far, which number the keys.
    pub(super) rounds: u64,
}

/// An account and what is in its cart.
#[derive(Debug)]
pub(super) struct Cart {
    /// Whose it is.
    pub(super) account: Account,
    /// The products' places, or `None` for an empty cart.
    pub(super) lines: Option<[usize; LINES]>,
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

impl Arena {
    /// Makes products and accounts, new ones each time.
    pub(super) async fn open(target: &Target, size: Size) -> Result<Self> {
        let client = Arc::new(Client::new(target.address.clone(), CALL_LIMIT));
        let admin = Account::login(
            Arc::clone(&client),
            target.admin.email.clone(),
            target.admin.password.clone(),
        );
        let admin = admin.await.context("the administrator cannot log in")?;
        let tag = secret::hex(4)?;
        let create = |place| create(&admin, format!("load-{tag}-{place}"), &target.currency);
        let products = live::count("Products", 0..size.products, AT_A_TIME, create).await?;
        let password = secret::hex(16)?;
        let register = |place: usize| {
            let email = format!("buyer-{place}.{tag}@load.example");
            Account::register(Arc::clone(&client), email, password.clone())
        };
        let accounts = live::count("Accounts", 0..size.carts, AT_A_TIME, register).await?;
        let carts = accounts.into_iter().map(|account| Cart { account, lines: None }).collect();
        let ordered = vec![0; products.len()];
        Ok(Self { client, admin, carts, products, ordered, rounds: 0 })
    }

    /// Fills the first `count` carts, those that are empty.
    pub(super) async fn fill(&mut self, count: usize) -> Result<()> {
        let (products, round) = (&self.products, self.rounds);
        let empty: Vec<usize> =
            (0..count).filter(|place| self.carts[*place].lines.is_none()).collect();
        let fill = async |place: usize| -> Result<(usize, [usize; LINES]), CallError> {
            let lines = choose(place, round, products.len());
            for product in lines {
                self.carts[place].account.set_line(&products[product], 1).await?;
            }
            Ok((place, lines))
        };
        let filled = live::count("Carts", empty.into_iter(), AT_A_TIME, fill).await?;
        for (place, lines) in filled {
            self.carts[place].lines = Some(lines);
        }
        Ok(())
    }

    /// Whether no order of the installation is accepted or reserved any more.
    pub(super) async fn is_settled(&self) -> Result<bool, CallError> {
        Ok(!self.is_any("accepted").await? && !self.is_any("reserved").await?)
    }

    async fn is_any(&self, status: &str) -> Result<bool, CallError> {
        let path = format!("/v1/admin/orders?status={status}&limit=1");
        let page: crate::shop::Page<Created> = self.admin.ask(Request::new("GET", &path)).await?;
        Ok(!page.data.is_empty())
    }
}

/// Two different products of `count`, scattered evenly.
fn choose(place: usize, round: u64, count: usize) -> [usize; LINES] {
    let number = mix(mix(round) ^ place as u64);
    let scattered = usize::try_from(number >> 1).expect("bench runs on 64 bits");
    let first = scattered % count;
    [first, (first + 1 + scattered / count % (count - 1)) % count]
}

async fn create(admin: &Account, sku: String, currency: &str) -> Result<String, CallError> {
    let body = json!({
        "sku": sku,
        "name": format!("Load {sku}"),
        "price": {"amount": 1999, "currency": currency},
        "stock": STOCK,
    });
    let body = body.to_string();
    let created: Created = admin.ask(Request::json("POST", "/v1/admin/products", &body)).await?;
    Ok(created.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_holds_two_different_products_and_all_are_chosen() {
        let mut chosen = [0; 10];
        for place in 0..1000 {
            let [first, second] = choose(place, 7, 10);
            assert_ne!(first, second);
            chosen[first] += 1;
            chosen[second] += 1;
        }
        assert!(chosen.iter().all(|count| (150..250).contains(count)), "{chosen:?}");
    }
}
