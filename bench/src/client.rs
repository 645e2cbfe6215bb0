//! Asks until it is answered: what times out, breaks off or is refused for the moment is sent again, the
//! same request with the same key, with back-off, until an overall limit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use crate::http::{Address, Answer, Connection, Request};

const ONE_CALL: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A client of one installation, shared by all who ask it.
#[derive(Debug)]
pub struct Client {
    address: Address,
    idle: Mutex<Vec<Connection>>,
    limit: Duration,
    repeats: AtomicU64,
}

/// Why no usable answer came.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server refused with a problem.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The overall limit passed without an answer.
    #[error("no answer within {} s: {last}", limit.as_secs())]
    Unanswered {
        /// The overall limit.
        limit: Duration,
        /// What the last attempt came to.
        last: String,
    },
    /// The answer is not what the contract says.
    #[error("an answer that is none: {0}")]
    Unreadable(String),
}

/// A problem that the server answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{status} {code}: {detail}")]
#[serde(default)]
pub struct Problem {
    /// The status code.
    pub status: u16,
    /// What clients switch on.
    pub code: String,
    /// What happened.
    pub detail: String,
}

impl CallError {
    /// The problem's code, when the server refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.code),
            _ => None,
        }
    }
}

impl Client {
    /// A client that gives a call up after `limit`.
    pub fn new(address: Address, limit: Duration) -> Self {
        Self { address, idle: Mutex::default(), limit, repeats: AtomicU64::new(0) }
    }

    /// Where the installation is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How many requests were sent again so far.
    pub fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    /// Sends the request until it is answered with a success, and reads that.
    pub async fn ask<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T, CallError> {
        read(&self.call(request).await?)
    }

    /// Sends the request until it is answered; an answer above 399 is a refusal.
    pub async fn call(&self, request: &Request<'_>) -> Result<Answer, CallError> {
        let deadline = Instant::now() + self.limit;
        let mut pause = FIRST_PAUSE;
        loop {
            let (last, wished) = match self.once(request).await {
                Ok(answer) if !is_for_the_moment(answer.status) => return decide(answer),
                Ok(answer) => (format!("status {}", answer.status), answer.retry_after),
                Err(error) => (error.to_string(), None),
            };
            let number = self.repeats.fetch_add(1, Ordering::Relaxed);
            let pause_now =
                jitter(pause, number).max(Duration::from_secs(wished.unwrap_or(0).min(5)));
            if Instant::now() + pause_now > deadline {
                return Err(CallError::Unanswered { limit: self.limit, last });
            }
            sleep(pause_now).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Sends the request once.
    pub async fn once(&self, request: &Request<'_>) -> Result<Answer> {
        let kept = self.idle().pop();
        let mut connection = kept.unwrap_or_else(|| Connection::new(self.address.clone()));
        let answer = timeout(ONE_CALL, connection.call(request)).await.context("timed out")??;
        self.idle().push(connection);
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("nobody panics with the idle connections in hand")
    }
}

/// Reads the body of a success.
pub fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, CallError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| CallError::Unreadable(format!("status {}: {error}", answer.status)))
}

/// Overloaded, unavailable, or a proxy's word for it.
fn is_for_the_moment(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

fn decide(answer: Answer) -> Result<Answer, CallError> {
    if answer.status < 400 {
        return Ok(answer);
    }
    let mut problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem.status = answer.status;
    Err(problem.into())
}

// Between half and all of the pause, so that those who failed together do not come back together.
fn jitter(pause: Duration, number: u64) -> Duration {
    let spread = u32::try_from(mix(number) % 512).expect("it is below 512");
    pause * (512 + spread) / 1024
}

/// Scatters numbers that follow each other (the mixing step of `SplitMix64`).
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Serves one connection per answer; an empty answer breaks off.
    async fn serve(listener: TcpListener, answers: Vec<&'static str>) {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    async fn ask(answers: Vec<&'static str>) -> (Result<u32, CallError>, u64) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::new(url.parse().unwrap(), Duration::from_secs(5));
        let request = Request::new("GET", "/");
        let (answer, ()) = tokio::join!(client.ask(&request), serve(listener, answers));
        (answer, client.repeats())
    }

    #[tokio::test]
    async fn what_breaks_off_or_is_overloaded_is_sent_again() {
        let (answer, repeats) = ask(vec![
            "",
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7",
        ])
        .await;
        assert_eq!((answer.unwrap(), repeats), (7, 3));
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let body = "HTTP/1.1 409 Conflict\r\ncontent-length: 23\r\n\r\n{\"code\":\"out_of_stock\"}";
        let (answer, repeats) = ask(vec![body]).await;
        let error = answer.unwrap_err();
        assert_eq!((error.code(), repeats), (Some("out_of_stock"), 0));
    }
}
