//! Random passwords and ids, straight from the kernel.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// So many random bytes, as lower-case hexadecimal: safe in a URL, in SQL and in a shell.
pub fn hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    Ok(random.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write(path: &Path, content: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let _ = std::fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}
