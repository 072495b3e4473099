#!/usr/bin/env bash
# Records what the proxy of a real stack writes while pools fail, return and change
# places: the access logs that internal/alert is tested with. It brings a stack of
# its own up under a project name and ports of its own, and takes everything down at
# the end, also when it is interrupted.
#
#   scripts/record-cases.sh [-o DIRECTORY] [CASE...]
#
# Without cases all are recorded. Wants a bgctl in BGCTL_BIN (default bin/bgctl) and
# an engine. Traffic goes to loopback only, 20 requests a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=internal/alert/testdata
if [ "${1:-}" = -o ]; then
  out=${2:?-o wants a directory}
  shift 2
fi
all=(killed both-down error-some error-all failing-posts paused impatient switched healed)
cases=("${@:-${all[@]}}")

bgctl=$(realpath "${BGCTL_BIN:-bin/bgctl}")
out=$(realpath "$out")
rate=20

say() { printf 'record: %s\n' "$*" >&2; }

# free_port prints a loopback port that nobody listens on.
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%d\n' "$port"; return; }
  done
  say "no free port"
  return 1
}

NGINX_IMAGE=$(scripts/proxy-image.sh)
export NGINX_IMAGE NO_COLOR=1
work=$(mktemp -d "${TMPDIR:-/tmp}/bgctl-record.XXXXXX")
export COMPOSE_PROJECT_NAME=bgctl-record-$$
http=$(free_port) blue=$(free_port) green=$(free_port)
printf '%s\n' "HTTP_PORT=$http" "BLUE_PORT=$blue" "GREEN_PORT=$green" HTTP_BIND=127.0.0.1 >"$work/.env"
url=http://127.0.0.1:$http/

bg() { (cd "$work" && "$bgctl" -p "$COMPOSE_PROJECT_NAME" "$@" >&2); }

cleanup() {
  local jobs
  jobs=$(jobs -p)
  # shellcheck disable=SC2086 # one word per process
  [ -z "$jobs" ] || kill $jobs 2>/dev/null || true
  say "taking $COMPOSE_PROJECT_NAME down"
  bg down --volumes --yes || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

access() { (cd "$work" && "$bgctl" -p "$COMPOSE_PROJECT_NAME" logs --access); }

# load sends traffic for $1 seconds with the methods $2. That requests fail is the point.
load() {
  "$bgctl" load --rate "$rate" --clients 4 --for "${1}s" --methods "${2:-GET}" "$url" >&2 || true
}

chaos_app() { curl -fsS --max-time 2 -o /dev/null -X POST "http://127.0.0.1:$blue/chaos/$1"; }

# One function a case: it starts from two healthy pools with blue active, and what
# it breaks it leaves broken.

case_killed() { load 12 & sleep 3; bg chaos blue --mode kill --yes; wait $!; }

case_healed() { load 35 & sleep 3; bg chaos blue --mode kill --yes; sleep 7; bg heal blue; wait $!; }

case_both_down() {
  load 45 & sleep 3
  bg chaos blue --mode kill --yes
  bg chaos green --mode kill --yes --force
  sleep 6
  bg heal green
  sleep 6
  bg heal blue
  wait $!
}

# About 30 % of the time blue answers 500.
case_error_some() {
  local loader
  load 40 & loader=$!
  while kill -0 "$loader" 2>/dev/null; do
    chaos_app 'start?mode=error'
    sleep 0.3
    chaos_app stop
    sleep 0.7
  done
}

case_error_all() { load 15 & sleep 3; bg chaos blue --mode error --yes; wait $!; }

# POST is not repeated on the other pool: what blue is asked fails for its client.
case_failing_posts() { load 15 GET,GET,GET,POST & sleep 5; bg chaos blue --mode error --yes; load 12 POST; wait; }

case_paused() { load 20 & sleep 3; bg chaos blue --mode pause --yes; wait $!; }

# Clients that give up before the proxy does: the log shows 499 and no 5xx.
case_impatient() {
  local i
  load 4
  bg chaos blue --mode pause --yes
  for i in $(seq 60); do
    curl -s -o /dev/null --max-time 0.5 "${url}slow?n=$i" &
    sleep 0.1
  done
  wait
}

case_switched() {
  load 20 GET,POST & sleep 4
  bg switch green --yes
  sleep 5
  bg switch blue --yes
  wait $!
}

restore() {
  chaos_app stop 2>/dev/null || true
  bg heal blue || true
  bg heal green || true
  bg switch blue --yes || true
}

say "bringing $COMPOSE_PROJECT_NAME up on $url"
bg up
for name in "${cases[@]}"; do
  say "case $name"
  before=$(access | wc -l)
  "case_${name//-/_}"
  sleep 1 # the last lines reach the file
  access | tail -n "+$((before + 1))" >"$work/$name.log"
  [ -s "$work/$name.log" ] || { say "case $name wrote no line"; exit 1; }
  gzip -9n <"$work/$name.log" >"$out/recorded-$name.log.gz"
  say "case $name: $(wc -l <"$work/$name.log") lines"
  restore
  load 8
done
