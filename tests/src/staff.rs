//! The shop's processes: the API and the workers, as built, each with its log in the shop's folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use ordermill_scratch::until;

/// A running process of the shop; killed when dropped.
#[derive(Debug)]
pub struct Staff {
    child: Child,
    log: PathBuf,
}

/// The built binary next to this test binary.
fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test has an executable");
    let folder = own.parent().and_then(Path::parent).expect("tests are built into target/*/deps");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not built; run the tests with `cargo xtask test`",
        path.display()
    );
    path
}

impl Staff {
    /// Starts the binary with exactly these settings; output goes to `<folder>/<name>.log`, appended.
    pub fn start(
        program: &str,
        args: &[&str],
        folder: &Path,
        name: &str,
        settings: &[(String, String)],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).expect("a log file");
        let err = out.try_clone().expect("a second handle");
        let child = Command::new(binary(program))
            .args(args)
            .env_clear()
            .envs(settings.iter().cloned())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the binary starts");
        Self { child, log }
    }

    /// Runs the binary to its end and answers its exit code and what it printed.
    pub fn run_once(
        program: &str,
        args: &[&str],
        folder: &Path,
        settings: &[(String, String)],
        stdin: &str,
    ) -> (i32, String) {
        use std::io::Write as _;
        let mut child = Command::new(binary(program))
            .args(args)
            .env_clear()
            .envs(settings.iter().cloned())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(stdin.as_bytes()).expect("the binary reads");
        drop(input);
        let output = child.wait_with_output().expect("the binary ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL, and gone.
    pub fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it is ours");
    }

    /// SIGTERM; answers the exit code once it has drained.
    pub async fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.ended().await.code().unwrap_or(-1)
    }

    /// Waits until it has ended, by itself or by what it was sent.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("a process ends", || {
            let status = child.try_wait().expect("it is ours");
            async move { status }
        })
        .await
    }

    /// Sends any other signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", name, &pid]).status().expect("kill exists");
    }
}

impl Drop for Staff {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the address that a process writes into its port file.
pub async fn address(file: &Path) -> String {
    until("a process says where it listens", || async {
        std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
    })
    .await
}
