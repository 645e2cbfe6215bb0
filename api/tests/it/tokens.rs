//! Which tokens open the door. Each forgery differs from a good token in one thing.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ordermill_common::clock;
use serde_json::{Value, json};

use crate::stage::{Actor, KEY, OLD_KEY, Shop, with_shop};

fn claims(actor: &Actor) -> Value {
    let now = clock::now().timestamp();
    json!({
        "iss": "ordermill", "aud": "ordermill", "sub": actor.id.to_string(), "role": "user",
        "iat": now, "exp": now + 60, "jti": "x",
    })
}

fn with(actor: &Actor, name: &str, value: Value) -> Value {
    let mut claims = claims(actor);
    claims[name] = value;
    claims
}

fn without(actor: &Actor, name: &str) -> Value {
    let mut claims = claims(actor);
    claims.as_object_mut().expect("claims").remove(name);
    claims
}

fn sign(kid: Option<&str>, algorithm: Algorithm, key: &str, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    let key = EncodingKey::from_secret(&STANDARD.decode(key).expect("base64"));
    jsonwebtoken::encode(&header, claims, &key).expect("it signs")
}

async fn status(shop: &Shop, token: &str) -> u16 {
    let reply = shop.get("/v1/me").bearer(token).send().await;
    if reply.status == 401 {
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        reply.refuses(401, "unauthenticated");
    }
    reply.status
}

#[tokio::test]
async fn good_tokens_of_every_key_are_read() {
    with_shop(async |shop| {
        let ann = shop.buyer().await;
        let hs256 = Algorithm::HS256;
        assert_eq!(status(shop, &ann.token).await, 200);
        assert_eq!(status(shop, &sign(Some("now"), hs256, KEY, &claims(&ann))).await, 200);
        assert_eq!(status(shop, &sign(Some("old"), hs256, OLD_KEY, &claims(&ann))).await, 200);
        // Two clocks may differ a little.
        let just_over = with(&ann, "exp", json!(clock::now().timestamp() - 10));
        assert_eq!(status(shop, &sign(Some("now"), hs256, KEY, &just_over)).await, 200);
        let header = jsonwebtoken::decode_header(&ann.token).unwrap();
        assert_eq!(header.kid.as_deref(), Some("now"), "the first key signs");
    })
    .await;
}

#[tokio::test]
async fn forged_expired_and_foreign_tokens_are_refused() {
    with_shop(async |shop| {
        let ann = shop.buyer().await;
        let now = clock::now().timestamp();
        for wrong in [
            with(&ann, "exp", json!(now - 31)),
            with(&ann, "exp", json!("tomorrow")),
            with(&ann, "iss", json!("somebody")),
            with(&ann, "aud", json!("somebody")),
            with(&ann, "sub", json!("usr_nobody")),
            with(&ann, "sub", json!(format!("prd{}", &ann.id.to_string()[3..]))),
            with(&ann, "role", json!("owner")),
            without(&ann, "exp"),
            without(&ann, "iss"),
            without(&ann, "aud"),
            without(&ann, "sub"),
            without(&ann, "role"),
        ] {
            let token = sign(Some("now"), Algorithm::HS256, KEY, &wrong);
            assert_eq!(status(shop, &token).await, 401, "{wrong}");
        }
        let good = claims(&ann);
        for (kid, algorithm, key) in [
            (None, Algorithm::HS256, KEY),
            (Some("unknown"), Algorithm::HS256, KEY),
            (Some("old"), Algorithm::HS256, KEY),
            (Some("now"), Algorithm::HS512, KEY),
            (Some("now"), Algorithm::HS256, "Zm9yZ2VkLWZvcmdlZC1mb3JnZWQtZm9yZ2VkLWZvcmc="),
        ] {
            let token = sign(kid, algorithm, key, &good);
            assert_eq!(status(shop, &token).await, 401, "{kid:?} {algorithm:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn unsigned_tampered_and_shapeless_tokens_are_refused() {
    with_shop(async |shop| {
        let ann = shop.buyer().await;
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signature = ann.token.rsplit_once('.').unwrap().1;
        for alg in ["none", "None", "NONE", "HS256", "RS256"] {
            let header = part(json!({"alg": alg, "kid": "now", "typ": "JWT"}));
            let body = part(with(&ann, "role", json!("admin")));
            assert_eq!(status(shop, &format!("{header}.{body}.")).await, 401, "{alg}");
            assert_eq!(status(shop, &format!("{header}.{body}.{signature}")).await, 401, "{alg}");
        }
        let cut = &ann.token[..ann.token.len() - 4];
        for shapeless in
            ["", "x", "..", "a.b.c", cut, &format!("{}.x", ann.token), &"x".repeat(7_000)]
        {
            assert_eq!(status(shop, shapeless).await, 401, "{shapeless}");
        }
        for scheme in [format!("Basic {}", ann.token), ann.token.clone(), "Bearer".to_owned()] {
            let reply = shop.get("/v1/me").header("authorization", &scheme).send().await;
            reply.refuses(401, "unauthenticated");
        }
        shop.get("/v1/me")
            .header("authorization", &format!("bearer {}", ann.token))
            .send()
            .await
            .is(200);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_an_account_that_is_not_here_is_refused() {
    with_shop(async |shop| {
        let ann = shop.buyer().await;
        sqlx::query("delete from users").execute(shop.app.db.pool()).await.unwrap();
        assert_eq!(status(shop, &ann.token).await, 401);
    })
    .await;
}
