//! Installs what is missing with the system's package manager, on Debian and its relatives.
//!
//! The servers' packages would start system-wide servers at once; we want the programs only, so service
//! starts are refused while they are installed, and what refused them before is put back.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use rustix::process::geteuid;

use crate::find;
use crate::progress::Progress;

const DATABASE: &str = "mariadb-server-core mariadb-client-core";
const BROKER: &str = "rabbitmq-server";
const MAKE: &str = "make";
const OTHER_SERVERS: &str = "\nor use servers that run elsewhere: set DATABASE_URL \
     (mysql://user:password@host:3306/database) and AMQP_URL (amqp://user:password@host:5672/%2f)";

/// What is not here.
struct Missing {
    /// That it is missing, to the reader.
    said: &'static str,
    packages: Vec<&'static str>,
    /// How the reader can do without it.
    otherwise: &'static str,
}

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
    let database = find::database().is_none().then_some(DATABASE);
    let broker = find::broker().is_none().then_some(BROKER);
    install(&missing_servers(database.into_iter().chain(broker).collect()), progress)
}

/// Installs what builds the C of our dependencies, besides the compiler that Rust needs anyway.
pub fn build_tools(progress: Progress) -> Result<()> {
    if find::program(MAKE).is_some() {
        return Ok(());
    }
    install(&missing_make(), progress)
}

fn install(missing: &Missing, progress: Progress) -> Result<()> {
    if find::program("apt-get").is_none() || !Path::new("/etc/debian_version").exists() {
        bail!(missing.no_manager());
    }
    let mut command = as_root(missing)?;
    let packages = missing.packages.join(" ");
    command.args(["sh", "-c", SCRIPT, "sh"]).args(packages.split(' '));
    let what = format!("{}: installing {packages} with apt-get", missing.said);
    progress.loud_step(&what, || {
        let status = command.stdin(std::process::Stdio::null()).status()?;
        if !status.success() {
            let (line, otherwise) = (missing.line(), missing.otherwise);
            bail!("apt-get failed ({status}). Install by hand:\n  {line}{otherwise}");
        }
        Ok(())
    })
}

fn missing_servers(packages: Vec<&'static str>) -> Missing {
    let said = match packages[..] {
        [BROKER] => "RabbitMQ is missing",
        [DATABASE] => "MariaDB (or MySQL) is missing",
        _ => "MariaDB (or MySQL) and RabbitMQ are missing",
    };
    Missing { said, packages, otherwise: OTHER_SERVERS }
}

fn missing_make() -> Missing {
    Missing { said: "make is missing", packages: vec![MAKE], otherwise: "" }
}

impl Missing {
    fn no_manager(&self) -> String {
        let Self { said, otherwise, .. } = self;
        format!(
            "{said} and no package manager that we know (apt-get) is here. Install what is missing by hand{otherwise}"
        )
    }

    fn line(&self) -> String {
        format!("sudo apt-get install --no-install-recommends {}", self.packages.join(" "))
    }
}

// `env` is a program that runs another: root needs no more than that.
fn as_root(missing: &Missing) -> Result<Command> {
    if geteuid().is_root() {
        return Ok(Command::new("env"));
    }
    let may_sudo = find::program("sudo").filter(|sudo| {
        Command::new(sudo).args(["-n", "true"]).output().is_ok_and(|out| out.status.success())
    });
    let Some(sudo) = may_sudo else {
        let (line, Missing { said, otherwise, .. }) = (missing.line(), missing);
        bail!(
            "{said}, and installing needs root. Run this line, then this command again:\n  {line}{otherwise}"
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
        for (packages, said) in [
            (vec![BROKER], "RabbitMQ is missing"),
            (vec![DATABASE], "MariaDB (or MySQL) is missing"),
            (vec![DATABASE, BROKER], "MariaDB (or MySQL) and RabbitMQ are missing"),
        ] {
            let told = missing_servers(packages).no_manager();
            assert!(told.starts_with(said), "{told}");
            assert!(told.contains("by hand") && told.contains("DATABASE_URL"), "{told}");
            assert!(told.contains("AMQP_URL"), "{told}");
        }
        let told = missing_make().no_manager();
        assert!(told.starts_with("make is missing") && told.ends_with("by hand"), "{told}");
        assert_eq!(
            missing_servers(vec![DATABASE, BROKER]).line(),
            "sudo apt-get install --no-install-recommends mariadb-server-core mariadb-client-core rabbitmq-server"
        );
    }
}
