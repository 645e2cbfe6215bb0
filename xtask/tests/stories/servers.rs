//! The private servers keep their word through SIGKILL, come back on their ports, and leave
//! nothing behind.

use xtask::folder::{self, Claim};
use xtask::progress::Progress;
use xtask::servers::Servers;

use crate::stage::{ask, folder, mark_of};

#[test]
fn killed_servers_come_back_on_their_ports_with_what_was_committed() {
    let folder = folder();
    let mut servers = Servers::start(folder.path(), Progress::Quiet).unwrap();
    let (database, broker) = (servers.database_url(), servers.amqp_url());
    ask(&database, "create database other; create table kept (n int); insert into kept values (7)");

    servers.kill_database();
    servers.restart_database().unwrap();
    servers.kill_broker();
    servers.restart_broker().unwrap();

    assert_eq!((servers.database_url(), servers.amqp_url()), (database.clone(), broker));
    assert_eq!(ask(&database, "select n from kept"), "7");
    assert_eq!(ask(&database, "select @@innodb_flush_log_at_trx_commit"), "1");
    assert_eq!(ask(&database, "select @@max_allowed_packet"), (64 << 20).to_string());
    assert!(servers.fallen().is_none());

    servers.stop();
    assert!(mark_of(folder.path()).bearers().is_empty());
}

#[test]
fn a_folder_in_use_is_left_alone_and_says_by_whom() {
    let folder = folder();
    let Claim::Ours(claimed) = folder::claim(folder.path()).unwrap() else {
        panic!("a new folder is held by somebody");
    };
    claimed.tell(Some("http://127.0.0.1:1")).unwrap();

    let Claim::Held(Some(holder)) = folder::claim(folder.path()).unwrap() else {
        panic!("the folder was given away");
    };
    assert_eq!(holder.pid, std::process::id());
    assert_eq!(holder.url.as_deref(), Some("http://127.0.0.1:1"));
    assert!(holder.is_alive());
    let error = Servers::start(folder.path(), Progress::Quiet).unwrap_err().to_string();
    assert!(error.contains("held by another run"), "{error}");
}
