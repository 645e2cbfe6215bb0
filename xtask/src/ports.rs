//! Free ports for servers that are killed and started again on the same port.
//!
//! They are picked below the range from which the kernel serves outgoing connections: there a
//! client that keeps trying to reach a dead server could be given that very port, and hold it.
//! A port belongs to the process that picked it until that ends: another one of ours, beside it, is
//! not given the port of a server that is dead at the moment.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

use crate::secret;

const FIRST: u16 = 15_000;
const USUAL_RANGE_START: u16 = 32_768;

/// Whether one could listen on this port of 127.0.0.1 now.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// What this process has picked. A name in the kernel's abstract namespace is bound once, and is free
/// again with its process, however that ends.
static OURS: Mutex<BTreeMap<u16, UnixListener>> = Mutex::new(BTreeMap::new());

/// Makes the port ours if it is free; `true` also when it was ours before.
pub fn take(port: u16) -> bool {
    is_free(port) && (is_ours(port) || claim(port))
}

/// A free port that was nobody's, and is ours now.
pub fn free() -> Result<u16> {
    let span = outgoing_range_start().saturating_sub(FIRST).max(1_000);
    for _ in 0..1_000 {
        let random = u16::from_str_radix(&secret::hex(2)?, 16)?;
        let port = FIRST + random % span;
        if is_free(port) && !is_ours(port) && claim(port) {
            return Ok(port);
        }
    }
    bail!("found no free port between {FIRST} and {} on 127.0.0.1", FIRST + span);
}

fn is_ours(port: u16) -> bool {
    OURS.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&port)
}

fn claim(port: u16) -> bool {
    let name = format!("ordermill-port-{port}");
    let bound =
        SocketAddr::from_abstract_name(name).and_then(|name| UnixListener::bind_addr(&name));
    let Ok(bound) = bound else { return false };
    OURS.lock().unwrap_or_else(PoisonError::into_inner).insert(port, bound);
    true
}

fn outgoing_range_start() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(USUAL_RANGE_START)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_free() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(held.local_addr().unwrap().port()));
    }

    #[test]
    fn a_free_port_is_below_the_range_of_outgoing_connections() {
        let port = free().unwrap();
        assert!((FIRST..FIRST.max(outgoing_range_start())).contains(&port), "{port}");
    }

    #[test]
    fn what_somebody_of_ours_has_picked_is_nobody_elses() {
        let port = free().unwrap();
        assert!(take(port), "it is ours");
        assert!(!claim(port), "another process would be given it");
    }
}
