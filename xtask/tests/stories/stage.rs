//! What the stories share: a folder, a look at its processes, a question to its database.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use xtask::mark::Mark;

/// A new folder; its name holds a space, because people's folders do.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("xtask servers").tempdir().unwrap()
}

/// The mark that the folder's processes carry, read as another process would read it.
pub(crate) fn mark_of(path: &Path) -> Mark {
    let marker = fs::read_to_string(path.join("ordermill-folder.json")).unwrap();
    let marker: serde_json::Value = serde_json::from_str(&marker).unwrap();
    let path = path.canonicalize().unwrap();
    Mark::new("ORDERMILL_FOLDER", format!("{}@{}", marker["id"].as_str().unwrap(), path.display()))
}

/// What the database answers to a statement, asked over TCP with the URL's credential.
pub(crate) fn ask(url: &str, statement: &str) -> String {
    let rest = url.strip_prefix("mysql://").unwrap();
    let (user, rest) = rest.split_once(':').unwrap();
    let (password, rest) = rest.split_once("@127.0.0.1:").unwrap();
    let (port, database) = rest.split_once('/').unwrap();
    let output = Command::new("mysql")
        .args(["--no-defaults", "--protocol=tcp", "-h127.0.0.1", "-P", port, "-u", user, "-N"])
        .args(["-e", statement, database])
        .env("MYSQL_PWD", password)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
