//! Free ports for servers that are killed and started again on the same port.
//!
//! They are picked below the range from which the kernel serves outgoing connections: there a
//! client that keeps trying to reach a dead server could be given that very port, and hold it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

use crate::secret;

const FIRST: u16 = 15_000;
const USUAL_RANGE_START: u16 = 32_768;

/// Whether one could listen on this port of 127.0.0.1 now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port that is free now and not among `taken`.
pub fn free(taken: &[u16]) -> Result<u16> {
    let span = outgoing_range_start().saturating_sub(FIRST).max(1_000);
    for _ in 0..1_000 {
        let random = u16::from_str_radix(&secret::hex(2)?, 16)?;
        let port = FIRST + random % span;
        if !taken.contains(&port) && is_free(port) {
            return Ok(port);
        }
    }
    bail!("found no free port between {FIRST} and {} on 127.0.0.1", FIRST + span);
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
        let port = free(&[]).unwrap();
        assert!((FIRST..FIRST.max(outgoing_range_start())).contains(&port), "{port}");
    }
}
