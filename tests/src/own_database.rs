//! A database server of a story's own: one that may be killed, or configured badly.

use tempfile::TempDir;
use tokio::task::block_in_place;
use xtask::servers::DatabaseAlone;

/// A private server; it ends with the story. Its functions block, so the story needs more than one thread.
#[derive(Debug)]
pub struct OwnDatabase {
    server: DatabaseAlone,
    // Declared last: the server's files are in it.
    _folder: TempDir,
}

impl OwnDatabase {
    /// Starts it with further options and waits until it takes clients.
    pub fn start(options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("ordermill-test-").expect("a folder");
        let server = block_in_place(|| DatabaseAlone::start(folder.path(), options));
        Self { server: server.expect("the server starts"), _folder: folder }
    }

    /// Its URL, with a user that may do everything.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        block_in_place(|| self.server.kill());
    }

    /// Starts it again where it was and waits until it takes clients.
    pub fn restart(&mut self) {
        block_in_place(|| self.server.restart()).expect("the server starts again");
    }
}
