//! Each fault against a server that echoes.

use std::time::{Duration, Instant};

use ordermill_chaos::proxy::{Direction, Proxy};
use ordermill_scratch::within;

use crate::echo::{Client, Ended, Stage};

#[tokio::test]
async fn a_whole_link_carries_everything_and_counts_it() {
    let stage = Stage::set().await;
    let mut client = stage.client().await;
    let long = "x".repeat(300_000);
    let (mut one, mut other) = (stage.client().await, stage.client().await);
    one.talks().await;
    other.talks().await;
    client.send(&long).await;
    assert_eq!(client.get(long.len()).await, long);
    client.hang_up().await;
    assert_eq!(client.rest().await, (String::new(), Ended::Closed));
    within(10, "the closed connection is gone", async || stage.tally().open == 2).await;
    let tally = stage.tally();
    assert_eq!((tally.connections, tally.to_server, tally.to_client), (3, 300_010, 300_010));
}

#[tokio::test]
async fn a_cut_resets_all_connections_and_every_new_one_until_it_heals() {
    let stage = Stage::set().await;
    let (mut one, mut other) = (stage.client().await, stage.client().await);
    one.talks().await;
    other.talks().await;
    stage.proxy.cut();
    one.is_reset().await;
    other.is_reset().await;
    stage.client().await.is_reset().await;
    within(10, "the server saw the cut", async || stage.open_at_the_server() == 0).await;
    stage.proxy.heal();
    stage.client().await.talks().await;
    let tally = stage.tally();
    assert_eq!((tally.cut, tally.refused, tally.connections), (2, 1, 4));
}

#[tokio::test]
async fn a_short_cut_resets_the_connections_there_are_and_new_ones_work() {
    let stage = Stage::set().await;
    let mut old = stage.client().await;
    for _ in 0..3 {
        old.talks().await;
        stage.proxy.cut_now();
        old.is_reset().await;
        old = stage.client().await;
    }
    old.talks().await;
    assert_eq!((stage.tally().cut, stage.tally().refused), (3, 0));
}

#[tokio::test]
async fn a_delay_holds_chunks_back_both_ways_and_healing_lets_them_through() {
    let stage = Stage::set().await;
    let mut client = stage.client().await;
    stage.proxy.delay(Duration::from_millis(50));
    let sent = Instant::now();
    client.talks().await;
    assert!(sent.elapsed() >= Duration::from_millis(100), "{:?}", sent.elapsed());
    assert_eq!(stage.tally().delayed, 2);

    stage.proxy.delay(Duration::MAX);
    client.send("late").await;
    within(10, "it is held back", async || stage.tally().delayed == 3).await;
    stage.proxy.heal();
    assert_eq!(client.get(4).await, "late");
}

#[tokio::test]
async fn a_held_back_connection_can_be_cut() {
    let stage = Stage::set().await;
    let mut client = stage.client().await;
    stage.proxy.delay(Duration::MAX);
    client.send("never").await;
    within(10, "it is held back", async || stage.tally().delayed == 1).await;
    stage.proxy.cut_now();
    client.is_reset().await;
    assert_eq!(stage.tally().to_server, 0);
}

#[tokio::test]
async fn a_silent_link_swallows_what_is_sent_and_the_server_sees_no_end() {
    let stage = Stage::set().await;
    let mut client = stage.client().await;
    client.talks().await;
    stage.proxy.drop_silently(Direction::ToServer);
    client.send("nobody").await;
    within(10, "it is swallowed", async || stage.tally().swallowed == 6).await;
    stage.client().await.send("a new one").await;
    within(10, "it is swallowed", async || stage.tally().swallowed == 15).await;
    drop(client);
    stage.proxy.heal();
    // The server has heard of no end, even by now; another connection shows that it is well.
    stage.client().await.talks().await;
    assert_eq!((stage.open_at_the_server(), stage.tally().open), (3, 3));
    assert_eq!(stage.tally().to_server, 10);
}

#[tokio::test]
async fn answers_are_swallowed_one_way_and_what_was_lost_never_heals() {
    let stage = Stage::set().await;
    let (mut torn, mut idle) = (stage.client().await, stage.client().await);
    torn.talks().await;
    idle.talks().await;
    stage.proxy.drop_silently(Direction::ToClient);
    torn.send("heard").await;
    within(10, "the answer is swallowed", async || stage.tally().swallowed == 5).await;
    assert_eq!(stage.tally().to_server, 15, "the server heard it");
    stage.proxy.heal();
    torn.send("again").await;
    within(10, "its bytes stay lost", async || stage.tally().swallowed == 10).await;
    idle.talks().await;
    stage.proxy.cut_now();
    torn.is_reset().await;
}

#[tokio::test]
async fn an_end_that_is_gone_stays_unknown_to_the_other_behind_a_silent_link() {
    let stage = Stage::set().await;
    let mut client = stage.client().await;
    client.talks().await;
    stage.proxy.drop_silently(Direction::Both);
    drop(client);
    let mut other = stage.client().await;
    other.send("into the dark").await;
    within(10, "it is swallowed", async || stage.tally().swallowed == 13).await;
    assert_eq!(stage.open_at_the_server(), 2);
    stage.proxy.cut();
    within(10, "the cut is heard", async || stage.open_at_the_server() == 0).await;
}

#[tokio::test]
async fn a_truncated_link_breaks_in_the_middle() {
    let stage = Stage::set().await;
    let (mut client, mut idle) = (stage.client().await, stage.client().await);
    client.talks().await;
    idle.talks().await;
    stage.proxy.truncate(Direction::ToClient, 7);
    client.send("four").await;
    assert_eq!(client.get(4).await, "four");
    client.send("another").await;
    assert_eq!(client.rest().await, ("ano".to_owned(), Ended::Reset));
    assert_eq!(stage.tally().truncated, 1);

    stage.proxy.truncate(Direction::ToServer, 0);
    idle.send("x").await;
    idle.is_reset().await;
    let mut new = stage.client().await;
    new.send("x").await;
    new.is_reset().await;
    assert_eq!((stage.tally().truncated, stage.tally().to_server), (3, 21));
    stage.proxy.heal();
    stage.client().await.talks().await;
}

#[tokio::test]
async fn the_answer_to_a_pattern_is_lost_as_often_as_was_said() {
    let stage = Stage::set().await;
    let mut client = stage.client().await;
    stage.proxy.drop_answer_to(b"COMMIT", 2);
    client.talks().await;
    client.send("xxCOMMITxx").await;
    client.is_reset().await;
    assert_eq!((stage.tally().answers_lost, stage.tally().to_server), (1, 15));

    let mut client = stage.client().await;
    client.send("COM").await;
    assert_eq!(client.get(3).await, "COM");
    client.send("MIT").await;
    client.is_reset().await;
    assert_eq!((stage.tally().answers_lost, stage.tally().to_server), (2, 21));

    let mut client = stage.client().await;
    client.send("COMMIT").await;
    assert_eq!(client.get(6).await, "COMMIT");
}

#[tokio::test]
async fn a_lost_request_never_arrives() {
    let stage = Stage::set().await;
    let mut client = stage.client().await;
    stage.proxy.drop_request(b"COMMIT", 1);
    client.talks().await;
    client.send("COMMIT").await;
    client.is_reset().await;
    assert_eq!((stage.tally().requests_lost, stage.tally().to_server), (1, 5));
    stage.client().await.talks().await;
}

#[tokio::test]
async fn a_target_that_is_away_resets_and_a_dropped_proxy_is_gone() {
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let proxy = Proxy::start(nowhere).await.unwrap();
    Client::connect(proxy.addr()).await.is_reset().await;
    assert_eq!(proxy.tally().unreached, 1);

    let stage = Stage::set().await;
    let mut client = stage.client().await;
    client.talks().await;
    let address = stage.proxy.addr();
    drop(stage);
    client.is_reset().await;
    let refused = async || tokio::net::TcpStream::connect(address).await.is_err();
    while !refused().await {
        tokio::task::yield_now().await;
    }
}
