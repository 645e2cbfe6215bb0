//! Who may go where: every route of these rooms, by every kind of visitor.

use reqwest::Method;
use serde_json::json;

use crate::stage::with_shop;

/// Method, route, and whom it lets in: anybody, users, admins.
const ROUTES: [(&str, &str, char); 13] = [
    ("POST", "/v1/auth/register", '*'),
    ("POST", "/v1/auth/login", '*'),
    ("GET", "/v1/products", '*'),
    ("GET", "/v1/products/{id}", '*'),
    ("GET", "/v1/me", 'u'),
    ("POST", "/v1/admin/products", 'a'),
    ("GET", "/v1/admin/products/{id}", 'a'),
    ("PUT", "/v1/admin/products/{id}", 'a'),
    ("DELETE", "/v1/admin/products/{id}", 'a'),
    ("POST", "/v1/admin/products/{id}/restore", 'a'),
    ("POST", "/v1/admin/products/{id}/stock", 'a'),
    ("GET", "/v1/admin/products/{id}/stock", 'a'),
    ("GET", "/v1/admin/products/prd_nonsense/stock", 'a'),
];

#[tokio::test]
async fn each_route_lets_in_exactly_whom_it_names() {
    with_shop(async |shop| {
        let (buyer, admin) = (shop.buyer().await, shop.admin().await);
        let mug = shop.product(&admin, "MUG", 100, 1).await;
        for (method, route, whom) in ROUTES {
            let path = route.replace("{id}", &mug);
            let call = || {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                shop.call(method, &path).json(&json!({}))
            };
            let anonymous = call().send().await;
            let by_buyer = call().by(&buyer).send().await;
            let by_admin = call().by(&admin).send().await;
            let refused = |reply: &crate::stage::Reply| {
                matches!(reply.code(), "unauthenticated" | "forbidden") && route != "/v1/auth/login"
            };
            assert_eq!(refused(&anonymous), whom != '*', "{method} {route} by nobody");
            assert_eq!(refused(&by_buyer), whom == 'a', "{method} {route} by a buyer");
            assert!(!refused(&by_admin), "{method} {route} by an admin: {}", by_admin.text);
            if whom != '*' {
                anonymous.refuses(401, "unauthenticated");
                assert_eq!(anonymous.header("www-authenticate"), "Bearer");
            }
            if whom == 'a' {
                by_buyer.refuses(403, "forbidden");
            }
        }
    })
    .await;
}
