//! The containers' files are held against what they start: every variable exists in the configuration of
//! that binary, every command is a real one, every file that is copied is there. No engine is needed.

mod compose;
mod dockerfile;
mod programs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compose::Compose;
use dockerfile::Dockerfile;
use programs::Program;

/// Longer than a drain's own limit, for the batches and connections that end after it.
const AFTER_THE_DRAIN: u64 = 15;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace").to_owned()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn dockerfile() -> Dockerfile {
    Dockerfile::parse(&read("Dockerfile"))
}

fn compose() -> Compose {
    Compose::parse(&read("docker-compose.yml"), &examples())
}

/// `.env.example` as somebody has filled it in.
fn examples() -> BTreeMap<String, String> {
    let text = read(".env.example");
    let given = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let filled = |line: &str| {
        let (name, value) = line.split_once('=').expect("NAME=");
        assert_eq!(value, "", "{name} has a default, which everybody would keep");
        let key = "first:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
        let value = if name.contains("KEYS") { key } else { "0123456789abcdef" };
        (name.to_owned(), value.to_owned())
    };
    given.map(filled).collect()
}

/// The binary that an image starts, as its last stage says.
fn program(target: &str) -> Program {
    let entry = dockerfile().words(target, "ENTRYPOINT").expect("an image has an ENTRYPOINT");
    Program::named(&entry[0])
}

#[test]
fn every_file_that_the_image_copies_is_there_and_every_crate_is_copied() {
    let ignored = read(".dockerignore");
    let mut copied = Vec::new();
    for copy in dockerfile().copies().filter(|copy| copy.from.is_none()) {
        for source in copy.sources {
            assert!(root().join(&source).exists(), "there is no {source}");
            let kept = ignored.lines().any(|line| line.strip_prefix('!') == Some(&source));
            assert!(kept, "{source} does not reach the engine: .dockerignore");
            copied.push(source);
        }
    }
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = "));
    let members: Vec<String> = serde_json::from_str(members.expect("members")).expect("a list");
    for member in members.iter().map(String::as_str).chain(["Cargo.lock", "migrations"]) {
        let reaches = |source: &String| Path::new(member).starts_with(source);
        assert!(copied.iter().any(reaches), "{member} is not copied");
    }
}

#[test]
fn what_an_image_takes_from_the_build_is_built_there() {
    let file = dockerfile();
    for copy in file.copies().filter(|copy| copy.from.is_some()) {
        let from = copy.from.expect("filtered");
        for source in copy.sources {
            let Some(built) = source.strip_prefix("/out/") else {
                assert_eq!(source, "/etc/ssl/certs/ca-certificates.crt");
                continue;
            };
            let run = file.last(&from, "RUN").expect("the build runs something");
            assert!(run.contains(&format!("--package {built}")), "{built} is not built");
            assert!(run.contains(&format!("target/release/{built}")), "{built} is not kept");
            Program::named(built);
        }
    }
}

#[test]
fn bases_are_pinned_and_no_image_runs_as_root() {
    let file = dockerfile();
    for base in file.bases() {
        let version = base.split_once(':').map_or("latest", |(_, tag)| tag);
        assert!(!version.starts_with("latest"), "{base} is not pinned");
        if let Some(rust) = base.strip_prefix("rust:") {
            let manifest = read("Cargo.toml");
            let needed = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
            let needed = minor(needed.expect("rust-version").trim_matches('"'));
            assert!(minor(rust) >= needed, "{base} is too old for 1.{needed}");
        }
    }
    for target in ["api", "worker"] {
        let user = file.last(target, "USER").expect("a USER");
        let id: u32 = user.split(':').next().expect("an id").parse().expect("a number");
        assert_ne!(id, 0, "{target} runs as root");
    }
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).expect("1.minor").parse().expect("a number")
}

#[test]
fn an_image_starts_a_real_command_with_variables_that_it_knows() {
    let file = dockerfile();
    for target in ["api", "worker"] {
        let program = program(target);
        let start = file.words(target, "CMD").expect("a CMD");
        for (name, _) in file.variables(target) {
            assert!(program.knows(&start[0], &name), "{target}: {name} is no variable of it");
        }
        let health = file.words(target, "HEALTHCHECK").expect("a HEALTHCHECK");
        assert_eq!(health, [program.name, "healthcheck"]);
        assert!(program.has("healthcheck"));
    }
}

#[test]
fn every_service_of_ours_would_start_with_what_compose_gives_it() {
    let (file, compose) = (dockerfile(), compose());
    for (name, service) in compose.ours() {
        let target = service["build"]["target"].as_str().expect("a target");
        let program = program(target);
        let command = compose::words(&service["command"]);
        let mut variables: BTreeMap<String, String> = file.variables(target).collect();
        variables.retain(|variable, _| program.knows(&command[0], variable));
        variables.extend(compose::variables(service));
        program.would_start(&command, &variables).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn every_service_is_watched_or_ends_by_itself() {
    let compose = compose();
    for (name, service) in compose.all() {
        let check = compose::words(&service["healthcheck"]["test"]);
        if service["restart"] == "no" {
            assert!(check.is_empty(), "{name} ends, and has nothing to watch");
        } else {
            assert!(check.first().is_some_and(|word| word.starts_with("CMD")), "{name}: {check:?}");
            assert_eq!(service["restart"], "unless-stopped", "{name}");
        }
    }
    for (name, service) in compose.ours().filter(|(_, service)| service["restart"] != "no") {
        let program = program(service["build"]["target"].as_str().expect("a target"));
        let check = compose::words(&service["healthcheck"]["test"]);
        assert_eq!(check, ["CMD", program.name, "healthcheck"], "{name}");
        let grace = service["stop_grace_period"].as_str().and_then(|text| text.strip_suffix('s'));
        let grace: u64 = grace.expect("seconds").parse().expect("a number");
        let drain = program.default_of("ORDERMILL_DRAIN_SECONDS");
        assert!(grace >= drain + AFTER_THE_DRAIN, "{name} is killed while it drains");
    }
}

#[test]
fn services_wait_for_what_can_come_true() {
    let compose = compose();
    for (name, service) in compose.all() {
        let Some(needs) = service["depends_on"].as_object() else { continue };
        for (needed, how) in needs {
            let needed = compose.service(needed);
            match how["condition"].as_str().expect("a condition") {
                "service_healthy" => assert!(needed["healthcheck"]["test"].is_array(), "{name}"),
                "service_completed_successfully" => assert_eq!(needed["restart"], "no", "{name}"),
                other => assert_eq!(other, "service_started", "{name}"),
            }
        }
    }
}

#[test]
fn workers_can_be_many_and_share_the_payment_ledger() {
    let (file, compose) = (dockerfile(), compose());
    let worker = compose.service("worker");
    assert!(worker["ports"].is_null() && worker["container_name"].is_null());
    let mounts = compose::words(&worker["volumes"]);
    let (volume, folder) = mounts[0].split_once(':').expect("volume:folder");
    assert!(compose.volumes().any(|declared| declared == volume), "{volume} is not declared");
    let ledger = compose::variables(worker)["ORDERMILL_PAYMENT_LEDGER"].clone();
    assert_eq!(Path::new(&ledger).parent(), Some(Path::new(folder)));
    let made = file.last("worker", "RUN").expect("the folder is made");
    let user = file.last("worker", "USER").expect("a USER");
    let owner = user.split(':').next().expect("an id");
    assert!(made.contains(&format!("--owner={owner}")) && made.ends_with(folder), "{made}");
}

#[test]
fn the_servers_get_variables_of_their_images_and_no_secret_has_a_default() {
    let compose = compose();
    let known = [
        (
            "mysql",
            ["MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_RANDOM_ROOT_PASSWORD"]
                .as_slice(),
        ),
        ("rabbitmq", ["RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"].as_slice()),
    ];
    for (server, known) in known {
        for (name, value) in compose::variables(compose.service(server)) {
            assert!(known.contains(&name.as_str()), "{server}: {name}");
            let given = examples().into_values().any(|example| example == value);
            assert!(given || !name.contains("PASS") || value == "yes", "{name} is written down");
        }
    }
    for place in compose.places() {
        let harmless = place.default.is_none_or(|default| default.parse::<u16>().is_ok());
        assert!(harmless, "{} has a default", place.name);
        let told = read(".env.example").contains(&format!("{}=", place.name));
        assert!(told, ".env.example does not tell of {}", place.name);
    }
}
