//! The tour of README.md, as a newcomer would type it, and the places that ARCHITECTURE.md names.

use std::path::Path;
use std::process::{Command, Output};

use ordermill_tests::Shop;
use ordermill_tests::actors::text;
use reqwest::{Method, StatusCode};

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");
const SECTION: &str = "## A five-minute tour";
/// The only command of the tour that a machine may be without.
const CURL: &str = "curl";

/// The shell commands of the tour's section, in their order.
fn tour() -> String {
    let (_, section) = README.split_once(SECTION).expect("the README has a tour");
    let section = section.split("\n## ").next().expect("a section");
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("a block ends")).collect()
}

/// Types it into a strict shell. `timeout` ends it where a newcomer would lose patience.
fn type_in(address: &str, commands: &str) -> Output {
    Command::new("timeout")
        .args(["60", "bash", "-euo", "pipefail", "-c", commands])
        .env("API", address)
        .env("no_proxy", "*")
        .output()
        .expect("bash starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_leads_where_the_readme_says() {
    if Command::new(CURL).arg("--version").output().is_err() {
        eprintln!("there is no curl here: the tour is not typed in, only its paths are tried");
        return;
    }
    let shop = Shop::open().await;
    let (code, said) = shop.run("ordermill-api", &["seed"], "");
    assert_eq!(code, 0, "{said}");
    let before = shop.count("select cast(sum(available) as signed) from stock").await;
    let address = shop.http().address();

    let typed = tokio::task::spawn_blocking(move || type_in(&address, &tour())).await;
    let typed = typed.expect("typing does not panic");

    let shown = String::from_utf8_lossy(&typed.stdout);
    let errors = String::from_utf8_lossy(&typed.stderr);
    assert!(typed.status.success(), "{shown}\n{errors}");
    for line in ["HTTP/1.1 202 Accepted", "idempotent-replayed: true"] {
        assert_eq!(shown.matches(line).count(), 1, "{line}\n{shown}");
    }
    let orders = shop.admin().get("/v1/admin/orders").await.expect(200);
    assert_eq!(orders["data"].as_array().expect("a list").len(), 1, "a repetition is no new order");
    let order = text(&orders["data"][0]["id"]);
    assert!(shown.contains(&order), "{shown}");
    shop.at_rest().await;
    let order = shop.admin().get(&format!("/v1/admin/orders/{order}")).await.expect(200);
    let history = order["history"].as_array().expect("a list");
    let events: Vec<_> = history.iter().map(|entry| &entry["event"]).collect();
    assert_eq!(events, ["accepted", "reserved", "paid", "cancelled"]);
    assert_eq!(order["payment"]["status"], "voided");
    assert_eq!(order["cancellation"]["reason"], "changed my mind");
    let after = shop.count("select cast(sum(available) as signed) from stock").await;
    assert_eq!(before, after, "the stock is back");
    shop.close().await;
}

/// Needs no curl: a method that no route has is answered 405 on a path that exists and 404 elsewhere.
#[tokio::test]
async fn every_path_of_the_tour_exists() {
    let shop = Shop::open().await;
    let tour = tour();
    let paths: Vec<&str> = tour
        .split("\"$API")
        .skip(1)
        .map(|rest| rest.split(['"', '?']).next().expect("a path"))
        .collect();
    assert!(paths.len() >= 8, "{paths:?}");
    for path in paths.into_iter().chain(["/v1/no-such-path"]) {
        let answer = shop.http().try_send(Method::PATCH, path, None, &[], None).await;
        let exists = answer.expect("the API answers").code == StatusCode::METHOD_NOT_ALLOWED;
        assert_eq!(exists, path != "/v1/no-such-path", "{path}");
    }
    shop.close().await;
}

/// `path` alone, or with a function of that file: `path` (`function`). Rooms are named as in `common/src`.
#[test]
fn the_architecture_names_files_and_functions_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace");
    let text = ARCHITECTURE.split_whitespace().collect::<Vec<_>>().join(" ");
    let pieces: Vec<&str> = text.split('`').collect();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    let mut found = (0, 0);
    for (place, path) in pieces.iter().enumerate().filter(|(place, _)| place % 2 == 1) {
        if !path.contains('/') || path.starts_with('/') || !path.chars().all(plain) {
            continue;
        }
        let file = [root.join(path), root.join("common/src").join(path)];
        let file = file.iter().find(|file| file.exists());
        let file = file.unwrap_or_else(|| panic!("there is no {path}"));
        found.0 += 1;
        if let [" (" | ", ", function, ..] = pieces[place + 1..]
            && function.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
        {
            let code = std::fs::read_to_string(file).expect("a file of ours");
            assert!(code.contains(&format!("fn {function}")), "{path} has no {function}");
            found.1 += 1;
        }
    }
    assert!(found.0 > 40 && found.1 > 12, "{found:?}");
}
