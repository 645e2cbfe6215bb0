//! Where programs are: on the PATH, and where distributions hide servers from ordinary users.

use std::path::{Path, PathBuf};

// An ordinary user's PATH has no sbin; Homebrew keeps some servers in folders of their own.
const BESIDES_PATH: [&str; 8] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/usr/libexec",
    "/opt/homebrew/sbin",
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/sbin",
];

// Debian's /usr/sbin/rabbitmq-server changes the user when root and refuses everybody else; the
// script behind it does neither.
const RABBITMQ_BEHIND_DEBIANS_WRAPPER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// The path of a program, or `None` when it is not installed.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .chain(BESIDES_PATH.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The database server: MariaDB's or MySQL's.
pub(crate) fn database() -> Option<PathBuf> {
    program("mariadbd").or_else(|| program("mysqld"))
}

/// The broker's start script that runs as whoever calls it.
pub(crate) fn broker() -> Option<PathBuf> {
    let behind = Path::new(RABBITMQ_BEHIND_DEBIANS_WRAPPER);
    if behind.is_file() { Some(behind.to_owned()) } else { program("rabbitmq-server") }
}
