#!/usr/bin/env bash
# Finds the docker compose that the tests compare bgctl with, and prints the command.
#
# In this order: the one the Docker CLI has, when it is a version 2 or later; one kept
# from an earlier run; Debian's package; one built from the Go module.
#
# stdout: the command, in words without spaces, and nothing else. stderr: what is going on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/debian.sh
. scripts/debian.sh

suite=forky
version=$(awk '$1 == "github.com/docker/compose/v2" { print $2 }' tools/compose/go.mod)
kept=${XDG_CACHE_HOME:-$HOME/.cache}/bgctl/tools/compose-$version/docker-compose

say() { printf 'docker-compose: %s\n' "$*" >&2; }

# from_debian takes the program out of the suite's package, which apt has verified.
from_debian() {
  local mirror work
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || return
  work=$(mktemp -d "${TMPDIR:-/tmp}/bgctl-compose.XXXXXX")
  # shellcheck disable=SC2064 # the path is wanted as it is now
  trap "rm -rf --one-file-system '$work'" EXIT
  mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/list"
  local apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State="$work/state" -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=)
  say "downloading Debian $suite's docker-compose"
  { "${apt[@]}" update && cd "$work" && "${apt[@]}" download docker-compose && dpkg-deb -x docker-compose_*.deb root; } >&2 || return
  # It needs a C library as old as this machine's, or older.
  "$work/root/usr/bin/docker-compose" version >/dev/null 2>&1 || return
  mkdir -p "$(dirname "$kept")"
  cp -L "$work/root/usr/bin/docker-compose" "$kept.part" && mv "$kept.part" "$kept"
}

if docker compose version 2>/dev/null | grep -Eq 'v?([2-9]|[1-9][0-9]+)\.'; then
  echo docker compose
  exit
fi
if [ ! -x "$kept" ] && ! (from_debian); then
  say "building docker compose $version (minutes, once)"
  (cd tools/compose && go build -trimpath -ldflags '-s -w' -o "$kept" github.com/docker/compose/v2/cmd) >&2
fi
echo "$kept"
