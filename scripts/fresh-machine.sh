#!/usr/bin/env bash
# Shows that a machine with nothing but the Rust toolchain is enough: in a new Debian 12 that holds
# a C compiler's linker besides, `cargo xtask up` ends in a paid order, and `cargo xtask test`
# passes twice in a row, leaving nothing behind.
#
#   scripts/fresh-machine.sh             the whole story (it takes a while: all is compiled there)
#   scripts/fresh-machine.sh COMMAND...  one command in the clone instead, such as `cargo --version`
#
# Root on Debian only. Takes the committed state of this repository, and mirrors, certificates and
# cargo's settings from this machine. All mounts are in a namespace of its own: they are gone when
# it ends, however it ends, and so are its processes.
set -euo pipefail
exec </dev/null
repository=$(cd "$(dirname "$0")/.." && pwd)
say() { printf '\n== %s\n' "$*"; }

if [[ -z ${FRESH_ROOT:-} ]]; then
  [[ $(id -u) == 0 ]] || { echo "fresh-machine: needs root" >&2; exit 1; }
  FRESH_ROOT=$(mktemp -d "${TMPDIR:-/var/tmp}/fresh-machine.XXXXXX")
  chmod 755 "$FRESH_ROOT"
  export FRESH_ROOT
  trap 'rm -rf --one-file-system "$FRESH_ROOT"' EXIT
  trap 'exit 130' INT TERM HUP
  unshare --mount --propagation private --pid --fork --kill-child "$0" "$@"
  exit
fi

mirror() {
  cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    awk '/^URIs:/{print $2; exit} /^deb /{for(i=2;i<=NF;i++) if ($i ~ /:\/\//){print $i; exit}}'
}

install_debian() {
  command -v debootstrap >/dev/null || { apt-get update -q && apt-get install -y -q debootstrap; } >/dev/null
  local log=$FRESH_ROOT.log
  debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg bookworm "$FRESH_ROOT" "$(mirror)" >"$log" 2>&1 ||
    { tail -5 "$log" >&2; exit 1; }
  rm -f "$log"
  cp /etc/apt/apt.conf.d/* "$FRESH_ROOT/etc/apt/apt.conf.d/" 2>/dev/null || true
  cp /etc/resolv.conf "$FRESH_ROOT/etc/resolv.conf"
  cp /etc/ssl/certs/ca-certificates.crt "$FRESH_ROOT/etc/ssl/certs/"
  echo "127.0.0.1 localhost" >"$FRESH_ROOT/etc/hosts"
}

mount_all() {
  local cargo_home=${CARGO_HOME:-$HOME/.cargo}
  mkdir -p "$FRESH_ROOT"/{opt/rust,newcomer/.cargo}
  mount -t proc proc "$FRESH_ROOT/proc"
  mount --rbind /dev "$FRESH_ROOT/dev"
  mount --bind "$(rustc --print sysroot)" "$FRESH_ROOT/opt/rust"
  mount -o remount,bind,ro "$FRESH_ROOT/opt/rust"
  cp "$cargo_home"/config* "$FRESH_ROOT/newcomer/.cargo/" 2>/dev/null || true
}

proxies=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [[ -z ${!name:-} ]] || proxies+=("$name=${!name}")
done

# Becomes its arguments, in the clone: the pid stays the same.
inside() {
  exec chroot "$FRESH_ROOT" env -i "${proxies[@]}" HOME=/newcomer LANG=C.UTF-8 \
    PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c 'cd /newcomer/ordermill && exec "$@"' sh "$@"
}

# `up` stays: it gets its Ctrl-C once it says that all is up.
up_until_paid() {
  local log=$FRESH_ROOT/up.log deadline=$((SECONDS + 3600)) pid
  : >"$log"
  (inside cargo xtask up >"$log" 2>&1) &
  pid=$!
  tail -f --pid "$pid" "$log" 2>/dev/null &
  until grep -q '^Ordermill is up' "$log"; do
    kill -0 "$pid" 2>/dev/null || { echo "fresh-machine: up ended too early" >&2; exit 1; }
    ((SECONDS < deadline)) || { echo "fresh-machine: up is not up after an hour" >&2; exit 1; }
    sleep 1
  done
  grep -Eq '^  [0-9:.]+  paid$' "$log" || { echo "fresh-machine: no paid order" >&2; exit 1; }
  kill -INT "$pid"
  wait "$pid"
  nothing_is_left
}

# In this namespace of pids there is us, what we wait for, and nobody else.
nothing_is_left() {
  local left
  left=$(pgrep -fl 'mariadbd|beam.smp|epmd|ordermill-' || true)
  [[ -z $left ]] || { echo "fresh-machine: left running: $left" >&2; exit 1; }
  left=$(git -C "$FRESH_ROOT/newcomer/ordermill" status --porcelain; ls "$FRESH_ROOT/newcomer/ordermill/target/xtask-test" 2>/dev/null || true)
  [[ -z $left ]] || { echo "fresh-machine: left lying: $left" >&2; exit 1; }
}

mount -t proc proc /proc # pgrep and $! mean this namespace from here on
say "a new Debian 12"
install_debian
mount_all
git clone --quiet "$repository" "$FRESH_ROOT/newcomer/ordermill"
if (($#)); then
  (inside "$@")
  exit
fi

say "cargo xtask up"
up_until_paid
for time in first second; do
  say "cargo xtask test, for the $time time"
  (inside cargo xtask test)
  nothing_is_left
done
say "a machine with nothing but the Rust toolchain is enough ($((SECONDS / 60)) minutes)"
