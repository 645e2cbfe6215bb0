//! Installs the servers with the system's package manager, on Debian and its relatives.
//!
//! Their packages would start system-wide servers at once; we want the programs only, so service
//! starts are refused while they are installed, and what refused them before is put back.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use rustix::process::geteuid;

use crate::find;
use crate::progress::Progress;

const DATABASE: &str = "mariadb-server-core mariadb-client-core";
const BROKER: &str = "rabbitmq-server";

// $@ are the packages.
const SCRIPT: &str = r#"
set -eu
policy=/usr/sbin/policy-rc.d
saved=$policy.before-ordermill
restore() { rm -f "$policy"; if [ -e "$saved" ]; then mv "$saved" "$policy"; fi; }
if [ -e "$policy" ] && [ ! -e "$saved" ]; then mv "$policy" "$saved"; fi
trap restore EXIT
trap 'exit 130' INT TERM HUP
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"
export DEBIAN_FRONTEND=noninteractive
if ! ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then apt-get update -q; fi
apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends "$@" || {
  apt-get update -q
  apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends "$@"
}
"#;

/// Installs whichever server is missing, saying so; where that is not ours to do, the error says
/// what the reader can do.
pub(crate) fn servers(progress: Progress) -> Result<()> {
    let missing = missing();
    if find::program("apt-get").is_none() || !Path::new("/etc/debian_version").exists() {
        bail!(no_manager(&missing));
    }
    let mut command = as_root(&missing)?;
    command.args(["sh", "-c", SCRIPT, "sh"]).args(missing.join(" ").split(' '));
    let what = format!("{}: installing {} with apt-get", names(&missing), missing.join(" "));
    progress.loud_step(&what, || {
        let status = command.stdin(std::process::Stdio::null()).status()?;
        if !status.success() {
            bail!(
                "apt-get failed ({status}). Install them by hand:\n  {}\nor use servers that run \
                 elsewhere: set DATABASE_URL and AMQP_URL",
                line(&missing)
            );
        }
        Ok(())
    })
}

fn no_manager(missing: &[&str]) -> String {
    format!(
        "{} and no package manager that we know (apt-get) is here. Install MariaDB or MySQL, and \
         RabbitMQ, by hand, or use servers that run elsewhere: set DATABASE_URL \
         (mysql://user:password@host:3306/database) and AMQP_URL \
         (amqp://user:password@host:5672/%2f)",
        names(missing)
    )
}

fn missing() -> Vec<&'static str> {
    let database = find::database().is_none().then_some(DATABASE);
    let broker = find::broker().is_none().then_some(BROKER);
    database.into_iter().chain(broker).collect()
}

fn names(missing: &[&str]) -> &'static str {
    match missing {
        [BROKER] => "RabbitMQ is missing",
        [DATABASE] => "MariaDB (or MySQL) is missing",
        _ => "MariaDB (or MySQL) and RabbitMQ are missing",
    }
}

fn line(missing: &[&str]) -> String {
    format!("sudo apt-get install --no-install-recommends {}", missing.join(" "))
}

// `env` is a program that runs another: root needs no more than that.
fn as_root(missing: &[&str]) -> Result<Command> {
    if geteuid().is_root() {
        return Ok(Command::new("env"));
    }
    let may_sudo = find::program("sudo").filter(|sudo| {
        Command::new(sudo).args(["-n", "true"]).output().is_ok_and(|out| out.status.success())
    });
    let Some(sudo) = may_sudo else {
        bail!(
            "{}, and installing needs root. Run this line, then this command again:\n  {}\nor use \
             servers that run elsewhere: set DATABASE_URL and AMQP_URL",
            names(missing),
            line(missing)
        );
    };
    let mut command = Command::new(sudo);
    command.arg("-n");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_be_installed_the_reader_is_told_what_can_be_done() {
        for (missing, name) in [
            (&[BROKER][..], "RabbitMQ is missing"),
            (&[DATABASE], "MariaDB (or MySQL) is missing"),
            (&[DATABASE, BROKER], "MariaDB (or MySQL) and RabbitMQ are missing"),
        ] {
            let told = no_manager(missing);
            assert!(told.starts_with(name), "{told}");
            assert!(told.contains("by hand") && told.contains("DATABASE_URL"), "{told}");
            assert!(told.contains("AMQP_URL"), "{told}");
        }
        assert_eq!(
            line(&[DATABASE, BROKER]),
            "sudo apt-get install --no-install-recommends mariadb-server-core mariadb-client-core rabbitmq-server"
        );
    }
}
