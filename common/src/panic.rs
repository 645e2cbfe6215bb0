//! Tasks that a process needs for as long as it lives outlive their own panics: a process that answers and does no
//! work would be worse than one that is gone.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// Works to its end; `None` when it panicked, which is logged as an error. The caller starts the task anew, from
/// what it left: whatever it had in hand is dropped.
pub async fn caught<T>(task: &'static str, working: impl Future<Output = T>) -> Option<T> {
    match AssertUnwindSafe(working).catch_unwind().await {
        Ok(done) => Some(done),
        Err(panic) => {
            tracing::error!(task, panic = words(&*panic), "a task panicked; it goes on");
            None
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_end_without_an_answer() {
        assert_eq!(caught("a task", async { 1 }).await, Some(1));
        assert_eq!(caught::<()>("a task", async { panic!("number {}", 7) }).await, None);
    }

    #[test]
    fn its_words_are_kept() {
        assert_eq!(words(&"told to"), "told to");
        assert_eq!(words(&"number 7".to_owned()), "number 7");
        assert_eq!(words(&7), "without a word");
    }
}
