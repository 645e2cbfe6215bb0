//! Listening, and telling where: in the log, and in a file for those who asked for port 0.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;

/// The address could not be listened on, or the port file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Most often another process listens there already.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The folder is missing, full or read-only.
    #[error("cannot write the port file {}", .file.display())]
    PortFile {
        /// The file asked for.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Listens and says where: the log line `listening` has the bound address, and so has the port file
/// (`host:port`), which appears whole or not at all. `what` names the listener in the log.
pub async fn listen(
    what: &'static str,
    addr: SocketAddr,
    port_file: Option<&Path>,
) -> Result<TcpListener, ListenError> {
    let bind = |source| ListenError::Bind { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(bind)?;
    let bound = listener.local_addr().map_err(bind)?;
    tracing::info!(listener = what, addr = %bound, "listening");
    if let Some(file) = port_file {
        write_whole(file, &bound.to_string())
            .map_err(|source| ListenError::PortFile { file: file.to_owned(), source })?;
    }
    Ok(listener)
}

fn write_whole(file: &Path, text: &str) -> std::io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(name);
    let mut out = std::fs::File::create(&draft)?;
    writeln!(out, "{text}")?;
    std::fs::rename(&draft, file)
}
