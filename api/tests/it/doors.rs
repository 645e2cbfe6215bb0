//! Who may go where: every route of these rooms, by every kind of visitor.

use reqwest::Method;
use serde_json::json;

use crate::stage::with_shop;

/// Method, route, and whom it lets in: anybody, users, admins.
const ROUTES: [(&str, &str, char); 34] = [
    ("POST", "/v1/auth/register", '*'),
    ("POST", "/v1/auth/login", '*'),
    ("GET", "/v1/products", '*'),
    ("GET", "/v1/products/{id}", '*'),
    ("GET", "/v1/me", 'u'),
    ("GET", "/v1/cart", 'u'),
    ("DELETE", "/v1/cart", 'u'),
    ("POST", "/v1/cart/lines", 'u'),
    ("PUT", "/v1/cart/lines/{product_id}", 'u'),
    ("DELETE", "/v1/cart/lines/{product_id}", 'u'),
    ("POST", "/v1/checkout", 'u'),
    ("GET", "/v1/orders", 'u'),
    ("GET", "/v1/orders/{id}", 'u'),
    ("POST", "/v1/orders/{id}/cancel", 'u'),
    ("GET", "/v1/admin/orders", 'a'),
    ("GET", "/v1/admin/orders/{id}", 'a'),
    ("POST", "/v1/admin/orders/{id}/status", 'a'),
    ("POST", "/v1/admin/orders/{id}/cancel", 'a'),
    ("GET", "/v1/admin/dead-letters", 'a'),
    ("GET", "/v1/admin/dead-letters/{id}", 'a'),
    ("POST", "/v1/admin/dead-letters/{id}/redrive", 'a'),
    ("POST", "/v1/admin/dead-letters/{id}/discard", 'a'),
    ("PUT", "/v1/cart/lines/prd_nonsense", 'u'),
    ("GET", "/v1/orders/ord_nonsense", 'u'),
    ("GET", "/v1/admin/orders/ord_nonsense", 'a'),
    ("POST", "/v1/admin/dead-letters/dlt_nonsense/discard", 'a'),
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
            let path = route.replace("{id}", &mug).replace("{product_id}", &mug);
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

/// Every method of every route in the router's file, written as it is there.
#[test]
fn no_route_is_missing_here() {
    let routes = include_str!("../../src/router.rs").split(".route(\"").skip(1);
    for route in routes {
        let (path, handlers) = route.split_once('"').expect("a path ends");
        let handlers = handlers.split("        .").next().expect("something");
        for method in ["get", "post", "put", "delete"] {
            if !handlers.contains(&format!("{method}(")) {
                continue;
            }
            let known = ROUTES.iter().any(|(known, route, _)| {
                known.eq_ignore_ascii_case(method) && route.ends_with(path)
            });
            assert!(known, "{method} {path} is not in the list");
        }
    }
}
