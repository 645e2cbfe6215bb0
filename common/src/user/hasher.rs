//! bcrypt, off the async threads and bounded: a burst of logins makes logins wait, not everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::password::{Password, PasswordHash};

/// How long a caller waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
const TURNS_PER_CORE: usize = 2;

/// Too many passwords are being checked already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

/// Hashes and verifies passwords.
#[derive(Debug)]
pub struct Hasher {
    cost: u32,
    patience: Duration,
    turns: Arc<Semaphore>,
    nobodys: PasswordHash,
    verified: AtomicU64,
}

impl Hasher {
    /// Hashes at this cost (4 to 16); two at a time for each core.
    pub fn new(cost: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Well-formed, so that verifying takes its whole time; its answer is never used.
        let nobodys = PasswordHash::stored(format!("$2b${cost:02}${}", ".".repeat(53)));
        Self {
            cost,
            patience: PATIENCE,
            turns: Arc::new(Semaphore::new(cores * TURNS_PER_CORE)),
            nobodys,
            verified: AtomicU64::new(0),
        }
    }

    /// What to keep of the password.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Busy> {
        let turn = self.turn().await?;
        let cost = self.cost;
        let hashing = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            bcrypt::non_truncating_hash(password.text(), cost)
                .expect("the password and the cost are within bcrypt's limits")
        });
        Ok(PasswordHash::stored(hashing.await.expect("hashing does not panic")))
    }

    /// Whether the password opens the account with this hash. Without an account, or for a text that is
    /// nobody's password, the same work is done and the answer is no.
    pub async fn verify(
        &self,
        password: String,
        account: Option<&PasswordHash>,
    ) -> Result<bool, Busy> {
        let turn = self.turn().await?;
        self.verified.fetch_add(1, Ordering::Relaxed);
        let (password, hash, possible) = match (Password::parse(password), account) {
            (Ok(password), Some(hash)) => (password.text().to_owned(), hash.clone(), true),
            (Ok(password), None) => (password.text().to_owned(), self.nobodys.clone(), false),
            (Err(_), _) => ("nobody's password".to_owned(), self.nobodys.clone(), false),
        };
        let verifying = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            bcrypt::non_truncating_verify(password, hash.text()).unwrap_or(false)
        });
        Ok(verifying.await.expect("verifying does not panic") && possible)
    }

    /// How many passwords were verified since the start, right or wrong.
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Busy> {
        let waiting = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(self.patience, waiting).await.map_err(|_| Busy)?;
        Ok(turn.expect("the semaphore is never closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> String {
        "x".repeat(length)
    }

    #[tokio::test]
    async fn the_right_password_opens_and_nothing_else_does() {
        let hasher = Hasher::new(4);
        let hash = hasher.hash(Password::parse(text(71)).unwrap()).await.unwrap();
        assert!(hasher.verify(text(71), Some(&hash)).await.unwrap());
        for wrong in [text(70), text(72), text(500), String::new(), format!("{}y", text(71))] {
            assert!(!hasher.verify(wrong, Some(&hash)).await.unwrap());
        }
        assert!(!hasher.verify(text(71), None).await.unwrap());
    }

    #[tokio::test]
    async fn nobodys_hash_takes_a_whole_verification() {
        let hasher = Hasher::new(4);
        let taken = bcrypt::non_truncating_verify("some password", hasher.nobodys.text());
        assert!(!taken.expect("it is a well-formed hash of the configured cost"));
        hasher.verify(text(20), None).await.unwrap();
        hasher.verify(text(2_000), None).await.unwrap();
        assert_eq!(hasher.verified(), 2);
    }

    #[tokio::test]
    async fn who_waits_too_long_for_a_turn_is_told() {
        let hasher = Hasher { patience: Duration::from_millis(20), ..Hasher::new(4) };
        let all = u32::try_from(hasher.turns.available_permits()).unwrap();
        let _held = Arc::clone(&hasher.turns).acquire_many_owned(all).await.unwrap();
        assert_eq!(hasher.verify(text(20), None).await, Err(Busy));
    }
}
