//! A folder of ours: marked, locked by one command at a time, and checked for room.
//!
//! The marker says that deleting the folder deletes nothing but what our commands wrote, and holds
//! the id that marks this folder's processes. The lock belongs to a living process: the kernel
//! opens it when its holder dies, however it dies.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock, statvfs};
use serde::{Deserialize, Serialize};

use crate::mark::Mark;
use crate::secret;

const MARKER: &str = "ordermill-folder.json";
const LOCK: &str = "lock";
const HOLDER: &str = "holder.json";
const ROOM_NEEDED: u64 = 700 << 20;
// Below this RabbitMQ takes no more messages.
const ROOM_TO_LIVE: u64 = 50 << 20;
// RabbitMQ cannot run in paths with these.
const REFUSED_IN_PATHS: [char; 8] = ['*', '?', '[', ']', '{', '}', '^', '!'];

/// A claimed folder: nobody else starts servers in it until this is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    mark: Mark,
    _lock: File,
}

/// Who has claimed a folder, and where what it runs can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process that holds the lock.
    pub pid: u32,
    /// Its start in the kernel's clock ticks: with the pid it names one process for ever.
    pub started: u64,
    /// The API's address, once it is known.
    pub url: Option<String>,
}

/// The answer to [`claim`] and [`seize`].
#[derive(Debug)]
pub enum Claim {
    /// The folder is ours now.
    Ours(Folder),
    /// A living process holds it (unknown for the moment between its lock and its note).
    Held(Option<Holder>),
}

#[derive(Serialize, Deserialize)]
struct Marker {
    about: String,
    id: String,
}

/// Claims a folder, making it when it is missing. Refuses a folder that holds anything but ours,
/// one that cannot be written, and one without room.
pub fn claim(path: &Path) -> Result<Claim> {
    let path = prepare(path)?;
    let claim = seize(&path)?;
    if let Claim::Ours(folder) = &claim {
        check_room(&path)?;
        folder.tell(None)?;
    }
    Ok(claim)
}

/// Claims a folder only to end or delete what is in it: asks for no room and leaves no note.
pub fn seize(path: &Path) -> Result<Claim> {
    let path = path.canonicalize().with_context(|| unwritable(path))?;
    let lock = OpenOptions::new().create(true).append(true).open(path.join(LOCK));
    let lock = lock.with_context(|| unwritable(&path))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(Claim::Held(holder(&path)));
    }
    let mark = Mark::new("ORDERMILL_FOLDER", format!("{}@{}", marker(&path)?, path.display()));
    Ok(Claim::Ours(Folder { path, mark, _lock: lock }))
}

impl Folder {
    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The mark that its processes carry.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Ends the processes that a killed run left in this folder; answers how many.
    pub fn end_left_behind(&self) -> usize {
        self.mark.end_bearers(Duration::from_secs(30))
    }

    /// Says so in the error when its likely cause is that the disk has filled up meanwhile.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match free_bytes(&self.path) {
            Ok(free) if free < ROOM_TO_LIVE => error.context(format!(
                "the disk of {} is full: free some space, or choose another folder with --data",
                self.path.display()
            )),
            _ => error,
        }
    }

    /// Tells those who find the folder claimed who we are, and our address.
    pub fn tell(&self, url: Option<&str>) -> Result<()> {
        let pid = std::process::id();
        let holder = Holder { pid, started: start_of(pid).unwrap_or(0), url: url.map(Into::into) };
        secret::write(&self.path.join(HOLDER), &serde_json::to_string(&holder)?)
            .with_context(|| unwritable(&self.path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path.join(HOLDER));
    }
}

impl Holder {
    /// Whether the process that claimed the folder is still the one with its pid.
    pub fn is_alive(&self) -> bool {
        start_of(self.pid) == Some(self.started)
    }
}

/// Whether the folder carries our marker.
pub fn is_ours(path: &Path) -> bool {
    path.join(MARKER).is_file()
}

/// Deletes a claimed folder and all that is in it.
pub fn delete(folder: Folder) -> Result<()> {
    let path = folder.path.clone();
    fs::remove_dir_all(&path).with_context(|| format!("cannot delete {}", path.display()))?;
    drop(folder);
    Ok(())
}

fn prepare(path: &Path) -> Result<PathBuf> {
    if path.to_string_lossy().contains(REFUSED_IN_PATHS) {
        bail!("RabbitMQ cannot run in {}: choose a plainer path with --data", path.display());
    }
    let mut maker = DirBuilder::new();
    maker.recursive(true).mode(0o700).create(path).with_context(|| unwritable(path))?;
    let path = path.canonicalize().with_context(|| unwritable(path))?;
    if !is_ours(&path) && fs::read_dir(&path).with_context(|| unwritable(&path))?.next().is_some() {
        bail!(
            "{} holds files that are not ours: choose an empty or new folder with --data",
            path.display()
        );
    }
    Ok(path)
}

fn check_room(path: &Path) -> Result<()> {
    let free = free_bytes(path)?;
    if free < ROOM_NEEDED {
        bail!(
            "only {} MB are free in {}, {} are needed: free some, or choose another folder with \
             --data",
            free >> 20,
            path.display(),
            ROOM_NEEDED >> 20
        );
    }
    Ok(())
}

fn free_bytes(path: &Path) -> Result<u64> {
    let space = statvfs(path).with_context(|| unwritable(path))?;
    Ok(space.f_bavail * space.f_frsize)
}

fn marker(path: &Path) -> Result<String> {
    let file = path.join(MARKER);
    match fs::read_to_string(&file) {
        Ok(text) => {
            let marker: Marker = serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged: delete the folder", file.display()))?;
            Ok(marker.id)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let about = "Made by cargo xtask; `cargo xtask reset` deletes this folder.".to_owned();
            let marker = Marker { about, id: secret::hex(8)? };
            secret::write(&file, &serde_json::to_string_pretty(&marker)?)
                .with_context(|| unwritable(path))?;
            Ok(marker.id)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn holder(path: &Path) -> Option<Holder> {
    serde_json::from_str(&fs::read_to_string(path.join(HOLDER)).ok()?).ok()
}

fn unwritable(path: &Path) -> String {
    format!("cannot write to {}: choose another folder with --data", path.display())
}

// The 22nd field of /proc/PID/stat; the second one may hold spaces and parentheses.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system that has no room at all.
    const FULL: &str = "/proc";

    #[test]
    fn a_full_disk_is_said_with_the_way_out() {
        let error = check_room(Path::new(FULL)).unwrap_err().to_string();
        assert!(error.starts_with("only 0 MB are free in /proc, 700 are needed"), "{error}");
        assert!(error.contains("--data"), "{error}");
    }

    #[test]
    fn a_disk_that_has_filled_up_explains_what_failed() {
        let folder = tempfile::tempdir().expect("a folder");
        let Claim::Ours(mut claimed) = claim(folder.path()).expect("it is empty") else {
            panic!("it is new");
        };
        let failed = || anyhow::anyhow!("the broker ended");
        assert_eq!(format!("{:#}", claimed.explain(failed())), "the broker ended");
        claimed.path = PathBuf::from(FULL);
        let told = format!("{:#}", claimed.explain(failed()));
        assert!(told.starts_with("the disk of /proc is full: free some space"), "{told}");
        assert!(told.ends_with(": the broker ended"), "{told}");
    }
}
