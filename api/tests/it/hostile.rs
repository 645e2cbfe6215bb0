//! Bodies and paths that nobody sends by accident. Each gets a problem of the client's own making, never
//! an internal one; `stage` checks the form of every problem.

use reqwest::Method;

use crate::stage::{Shop, with_shop};

const BODIES: [(&str, &str); 5] = [
    ("POST", "/v1/auth/register"),
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/admin/products"),
    ("PUT", "/v1/admin/products/{id}"),
    ("POST", "/v1/admin/products/{id}/stock"),
];

async fn each_body_route(shop: &Shop, body: &[u8], kind: Option<&str>) -> Vec<(u16, String)> {
    let admin = shop.admin().await;
    let id = shop.product(&admin, &admin.id.to_string(), 1, 1).await;
    let mut replies = Vec::new();
    for (method, route) in BODIES {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let call = shop.call(method, &route.replace("{id}", &id)).by(&admin);
        let call = call.header("if-match", "*").bytes(body.to_vec());
        let call = match kind {
            Some(kind) => call.header("content-type", kind),
            None => call,
        };
        let reply = call.send().await;
        replies.push((reply.status, reply.code().to_owned()));
    }
    replies
}

#[tokio::test]
async fn a_body_that_is_no_json_is_told_so() {
    with_shop(async |shop| {
        let deep = "[".repeat(50_000);
        let truncated: &[u8] = b"{\"email\":\"a@b.c\"";
        let not_utf8: &[u8] = b"{\"email\":\"\xff\xfe\"}";
        for body in [b"".as_slice(), b"{", b"nul", b"{} {}", b"'x'", not_utf8, truncated] {
            for (status, code) in each_body_route(shop, body, Some("application/json")).await {
                assert_eq!(status, 400, "{}", String::from_utf8_lossy(body));
                assert!(code == "malformed_json" || code == "validation_failed", "{code}");
            }
        }
        for (status, _) in each_body_route(shop, deep.as_bytes(), Some("application/json")).await {
            assert_eq!(status, 400);
        }
    })
    .await;
}

#[tokio::test]
async fn json_of_another_shape_is_told_with_its_place() {
    with_shop(async |shop| {
        for body in [
            "null",
            "[]",
            "1",
            "\"x\"",
            "{}",
            r#"{"__proto__":1}"#,
            r#"{"email":null,"password":null}"#,
            r#"{"email":{"$gt":""},"password":{"$gt":""}}"#,
            r#"{"delta":1e400,"reason":"x"}"#,
            r#"{"email":"a@b.c","email":"a@b.c","password":"0123456789"}"#,
        ] {
            for (status, code) in
                each_body_route(shop, body.as_bytes(), Some("application/json")).await
            {
                assert_eq!(status, 400, "{body}");
                assert!(code == "validation_failed" || body.contains("1e400"), "{body}: {code}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn only_json_of_a_reasonable_size_is_read() {
    with_shop(async |shop| {
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonx"),
        ] {
            for reply in each_body_route(shop, b"{}", kind).await {
                assert_eq!(reply, (415, "unsupported_media_type".to_owned()), "{kind:?}");
            }
        }
        let large = format!("{{\"email\":\"{}\"}}", "x".repeat(300 * 1024));
        for reply in each_body_route(shop, large.as_bytes(), Some("application/json")).await {
            assert_eq!(reply, (413, "payload_too_large".to_owned()));
        }
        for reply in each_body_route(shop, b"{}", Some("application/json; charset=utf-8")).await {
            assert_eq!(reply.0, 400, "that is read");
        }
    })
    .await;
}

#[tokio::test]
async fn a_path_that_names_nothing_is_not_found() {
    with_shop(async |shop| {
        let admin = shop.admin().await;
        let long = "x".repeat(4_000);
        for id in [
            "1",
            "0",
            "-1",
            "%00",
            "%ff",
            "%2e%2e%2f",
            "prd_",
            "usr_00000000000000000000000000",
            "prd_80000000000000000000000000",
            "prd_0000000000000000000000000U",
            "null",
            "' or 1=1",
            &long,
        ] {
            for path in [format!("/v1/products/{id}"), format!("/v1/admin/products/{id}")] {
                shop.get(&path).by(&admin).send().await.refuses(404, "not_found");
            }
        }
        for path in
            ["/", "/v1", "/v1/", "/v2/products", "/v1/products/", "/v1/admin", "/livez", "/readyz"]
        {
            shop.get(path).send().await.refuses(404, "not_found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_method_that_is_not_there_names_those_that_are() {
    with_shop(async |shop| {
        let reply = shop.call(Method::PATCH, "/v1/products").send().await;
        reply.refuses(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), "GET,HEAD");
        let reply = shop.get("/v1/auth/login").send().await;
        assert_eq!(reply.refuses(405, "method_not_allowed").header("allow"), "POST");
        shop.call(Method::HEAD, "/v1/products").send().await.is(200);
    })
    .await;
}
