//! `cargo xtask ...` when all is not well: each time one clear message, and nothing left behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use xtask::{folder, wait};

use crate::stage::{ask, folder, mark_of};

fn xtask(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).arg("--data").arg(data);
    command.env_remove("DATABASE_URL").env_remove("AMQP_URL");
    command
}

/// What a command that has to refuse says.
fn refusal(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success(), "{stderr}");
    stderr
}

/// `cargo xtask servers`, once it has printed its URLs; and the database's.
fn start_servers(data: &Path) -> (Child, String) {
    let mut run = xtask(&["servers"], data).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    let database = lines.next().unwrap();
    assert!(lines.next().unwrap().starts_with("export AMQP_URL=amqp://"));
    (run, database.strip_prefix("export DATABASE_URL=").unwrap().to_owned())
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn servers_that_outlive_their_killed_run_are_ended_by_the_next_one() {
    let data = folder();
    let (mut run, url) = start_servers(data.path());
    ask(&url, "create table kept (n int); insert into kept values (7)");
    let mark = mark_of(data.path());
    // What is stopped cannot obey the SIGTERM that the death of its starter brings.
    for pid in mark.bearers() {
        // One that has ended since needs no stopping.
        let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP);
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let left = mark.bearers();
    assert!(left.len() >= 2, "{left:?}");

    let (mut run, url) = start_servers(data.path());
    assert!(mark.bearers().iter().all(|pid| !left.contains(pid)));
    assert_eq!(ask(&url, "select n from kept"), "7");
    signal(run.id().cast_signed(), Signal::TERM);
    assert!(run.wait().unwrap().success());
    assert!(mark.bearers().is_empty());
}

#[test]
fn down_stops_a_living_run_and_reset_deletes_its_folder() {
    let data = folder();
    let (mut run, _) = start_servers(data.path());
    let second = refusal(&mut xtask(&["up"], data.path()));
    assert!(second.contains(&format!("already running in {}", data.path().display())), "{second}");
    assert!(second.contains(&format!("pid {}", run.id())), "{second}");

    let mark = mark_of(data.path());
    assert!(xtask(&["down"], data.path()).output().unwrap().status.success());
    assert!(mark.bearers().is_empty());
    assert!(run.wait().unwrap().success());
    assert!(xtask(&["down"], data.path()).output().unwrap().status.success());
    assert!(xtask(&["reset"], data.path()).output().unwrap().status.success());
    assert!(!data.path().exists());
    assert!(xtask(&["reset"], data.path()).output().unwrap().status.success());
}

#[test]
fn a_folder_with_files_of_others_is_neither_used_nor_deleted() {
    let data = folder();
    fs::write(data.path().join("thesis.txt"), "years of work").unwrap();
    let error = refusal(&mut xtask(&["up"], data.path()));
    assert!(error.contains("--data"), "{error}");
    refusal(&mut xtask(&["reset"], data.path()));
    assert!(data.path().join("thesis.txt").exists());
    assert!(!folder::is_ours(data.path()));
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_way_out() {
    let error = refusal(&mut xtask(&["up"], Path::new("/proc/ordermill")));
    assert!(error.contains("cannot write to /proc/ordermill"), "{error}");
    assert!(error.contains("--data"), "{error}");
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = refusal(&mut xtask(&["up", "--port", &port], folder().path()));
    assert!(error.contains(&format!("port {port} on 127.0.0.1 is taken")), "{error}");
    assert!(error.contains("--port"), "{error}");
}

#[test]
fn one_given_server_without_the_other_is_refused() {
    let mut command = xtask(&["up"], folder().path());
    let error = refusal(command.env("DATABASE_URL", "mysql://localhost/somewhere"));
    assert!(error.contains("AMQP_URL is not"), "{error}");
}

#[test]
fn children_die_with_a_killed_run() {
    let data = folder();
    let (mut run, _) = start_servers(data.path());
    let mark = mark_of(data.path());
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(wait::quietly(Duration::from_mins(2), || mark.bearers().is_empty()));
}
