//! `cargo xtask up`, whole: from an empty folder to a paid order, and again on the same folder.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use xtask::wait;

use crate::stage::{folder, mark_of};

/// A running `up`, from its greeting on.
struct Up {
    child: Child,
    greeting: String,
    steps: JoinHandle<String>,
}

impl Up {
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["up", "--no-build", "--port", "0", "--workers", "1", "--data"])
            .arg(data)
            .args(more)
            .env_remove("DATABASE_URL")
            .env_remove("AMQP_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let steps = thread::spawn(move || {
            let mut steps = String::new();
            errors.read_to_string(&mut steps).unwrap();
            steps
        });
        let mut greeting = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            greeting.push(line.unwrap());
            if greeting.last().is_some_and(|line| line.starts_with("Ctrl-C")) {
                break;
            }
        }
        let up = Self { child, greeting: greeting.join("\n"), steps };
        assert!(up.greeting.contains("Ctrl-C"), "it ended: {:?}", up.ended());
        up
    }

    /// How it ended, and what it has shown of its work.
    fn ended(mut self) -> (ExitStatus, String) {
        (self.child.wait().unwrap(), self.steps.join().unwrap())
    }

    /// What its greeting says of this.
    fn says(&self, of: &str) -> &str {
        let line = self.greeting.lines().find_map(|line| line.trim().strip_prefix(of));
        line.unwrap_or_else(|| panic!("no {of} in {}", self.greeting)).trim()
    }

    fn may_log_in(&self, email: &str, password: &str) -> bool {
        let login = json!({"email": email, "password": password});
        let url = format!("{}/v1/auth/login", self.says("API"));
        ureq::post(&url).send_json(login).is_ok()
    }

    /// Ctrl-C; answers what it has shown of its work.
    fn stop(self) -> String {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let (status, steps) = self.ended();
        assert!(status.success(), "{steps}");
        steps
    }
}

/// Whether nothing that carries the folder's mark stays.
fn all_end(data: &Path) -> bool {
    let mark = mark_of(data);
    wait::quietly(Duration::from_secs(30), || mark.bearers().is_empty())
}

#[test]
fn up_ends_with_a_paid_order_and_goes_on_with_the_same_shop() {
    let data = folder();
    let first = Up::start(data.path(), &[]);
    let credential = first.says("administrator").to_owned();
    let (email, rest) = credential.split_once(", password ").unwrap();
    let (password, once) = rest.split_once(' ').unwrap();
    assert_eq!((password.len(), once), (24, "(shown only this once)"));
    assert!(first.may_log_in(email, password));
    let url = format!("{}/v1/products?limit=3", first.says("API"));
    let page: Value = ureq::get(&url).call().unwrap().body_mut().read_json().unwrap();
    assert_eq!(page["data"].as_array().map(Vec::len), Some(3), "{page}");

    let steps = first.stop();
    for step in ["Starting the database", "Migrating the database", "Checking out", "Stopping"] {
        let done = |line: &str| line.starts_with(&format!("✓ {step} (")) && line.ends_with(" s)");
        assert!(steps.lines().any(done), "{step} is not done in {steps}");
    }
    let shown: Vec<&str> = steps
        .lines()
        .filter_map(|line| line.trim().rsplit_once("  ").map(|(_, last)| last))
        .filter(|word| ["accepted", "reserved", "paid"].contains(word))
        .collect();
    assert_eq!(shown, ["accepted", "reserved", "paid"], "{steps}");
    assert!(steps.lines().any(|line| line.starts_with("✓ Paid ")), "{steps}");
    assert!(!steps.contains(password), "the password is shown in one place");
    assert!(all_end(data.path()));

    let again = Up::start(data.path(), &["--no-demo"]);
    assert!(again.says("administrator").ends_with("with the password shown when it was made"));
    assert!(again.may_log_in(email, password), "the database is the same");
    let steps = again.stop();
    assert!(!steps.contains("A buyer orders"), "{steps}");
    assert!(all_end(data.path()));
}
