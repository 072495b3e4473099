#!/usr/bin/env bash
# Measures how fast `bgctl backtest` reads access logs, beside other readers of the
# same file in the same run. The files are made here and removed at the end: about
# 1.4 GB for 2,000,000 lines. Peers that are not installed are left out.
#
#   LINES=2000000 RUNS=5 PEER_RUNS=2 scripts/bench-logs.sh   (GOBENCH=no: no go test -bench)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lines=${LINES:-2000000}
runs=${RUNS:-5}
peer_runs=${PEER_RUNS:-2}
dir=$(mktemp -d "${TMPDIR:-/tmp}/bgctl-bench-logs.XXXXXX")
trap 'rm -rf "$dir"' EXIT
bgctl=$PWD/bin/bgctl

free_kb=$(df -Pk "$dir" | awk 'NR == 2 { print $4 }')
need_kb=$((lines * 900 / 1024))
if ((free_kb < need_kb)); then
  echo "bench-logs: $dir has $((free_kb / 1024)) MB free and $((need_kb / 1024)) MB are needed; set TMPDIR" >&2
  exit 1
fi

go build -o "$dir/synthlog" ./internal/backtest/synth/synthlog
"$dir/synthlog" -lines "$lines" -style short >"$dir/short.log"
"$dir/synthlog" -lines "$lines" -style bgctl >"$dir/full.log"
"$dir/synthlog" -lines "$lines" -style combined >"$dir/combined.log"
gzip -1 -k "$dir/short.log"

# once NAME COMMAND… notes the seconds of one run: by the clock, and of processor
# time, which a busy machine disturbs less.
once() {
  local name=$1 TIMEFORMAT='%R %U %S' took
  shift
  # Not to /dev/null: grep would stop at its first match.
  took=$({ time "$@" >"$dir/stdout" 2>"$dir/stderr"; } 2>&1) || { cat "$dir/stderr" >&2; return 1; }
  awk -v name="$name" '{ printf "%s %.3f %.3f\n", name, $1, $2 + $3 }' <<<"$took" >>"$dir/times"
}

# have COMMAND tells on standard error what is left out.
have() {
  command -v "$1" >/dev/null && return
  echo "bench-logs: $1 is not installed; left out" >&2
  return 1
}

cat >"$dir/watcher.py" <<'PY'
# The reference kit's loop in essence: every line is decoded, joins a window of 200,
# and the whole window is looked through for errors. Without its pause per line.
import collections, json, sys

window = collections.deque(maxlen=200)
alerts, pool = 0, None
with open(sys.argv[1], errors="replace") as log:
    for line in log:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        window.append(entry)
        if len(window) == window.maxlen:
            bad = sum(1 for e in window if str(e.get("status", "")).startswith(("4", "5")))
            alerts += bad / len(window) * 100 > 2
        alerts += pool is not None and entry.get("pool") != pool
        pool = entry.get("pool")
print(alerts)
PY

short=$dir/short.log
full=$dir/full.log
cat "$dir"/*.log "$dir/short.log.gz" >/dev/null # into the page cache

for _ in $(seq "$runs"); do
  once short/wc wc -l "$short"
  once short/grep grep -c '"status":"5' "$short"
  once short/backtest "$bgctl" backtest "$short"
  once short/backtest-1-worker "$bgctl" backtest --workers 1 "$short"
  once short/backtest-stdin bash -c "'$bgctl' backtest - <'$short'"
  once short/sweep-16 "$bgctl" backtest --sweep "$short"
  once full/wc wc -l "$full"
  once full/backtest "$bgctl" backtest "$full"
  once combined/wc wc -l "$dir/combined.log"
  once combined/backtest "$bgctl" backtest "$dir/combined.log"
  once gz/zcat zcat "$short.gz"
  once gz/zcat-wc bash -c "gzip -dc '$short.gz' | wc -l"
  once gz/backtest "$bgctl" backtest "$short.gz"
done
# The slow peers take minutes.
for _ in $(seq "$peer_runs"); do
  if have goaccess; then
    once combined/goaccess goaccess "$dir/combined.log" --log-format=COMBINED --no-progress -o "$dir/report.json"
  fi
  if have jq; then
    once short/jq bash -c "jq -R 'fromjson? | select(.status >= \"500\") | .msec' '$short'"
  fi
  if have python3; then
    once short/reference-loop python3 "$dir/watcher.py" "$short"
  fi
done

rss() { # the most memory a run takes, in MB
  local pid peak=0 now
  "$@" >/dev/null &
  pid=$!
  while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [[ -n $now ]]; do
    peak=$now
    sleep 0.01
  done
  wait "$pid"
  echo $((peak / 1024))
}

printf '%s lines, %s runs: short %s MB, full %s MB, gz %s MB\n\n' "$lines" "$runs" \
  $(($(stat -c %s "$short") / 1000000)) $(($(stat -c %s "$full") / 1000000)) $(($(stat -c %s "$short.gz") / 1000000))
awk -v lines="$lines" '
  function sort(v, c,    i, j, x) {
    for (i = 1; i <= c; i++) for (j = i + 1; j <= c; j++) if (v[j] < v[i]) { x = v[i]; v[i] = v[j]; v[j] = x }
  }
  { if (!($1 in n)) order[++kinds] = $1; t[$1, ++n[$1]] = $2; cpu[$1, n[$1]] = $3 }
  END {
    printf "%-26s %8s %8s %8s %11s %8s\n", "file/reader", "min s", "median", "cpu s", "lines/s", "of wc *"
    for (k = 1; k <= kinds; k++) {
      name = order[k]; c = n[name]
      for (i = 1; i <= c; i++) { v[i] = t[name, i]; u[i] = cpu[name, i] }
      sort(v, c); sort(u, c)
      min[name] = v[1]
      split(name, part, "/")
      base = min[part[1] == "gz" ? "gz/zcat" : part[1] "/wc"]
      printf "%-26s %8.3f %8.3f %8.3f %11.0f %7.1fx\n", name, v[1], v[int((c + 1) / 2)], u[1], v[1] ? lines / v[1] : 0, base ? v[1] / base : 0
    }
    print "* the minima compared with wc -l of the same file, of gz files with zcat"
    if (min["combined/goaccess"]) printf "\nGoAccess takes %.1f times as long as backtest on the same file\n", min["combined/goaccess"] / min["combined/backtest"]
    if (min["short/jq"]) printf "jq takes %.1f times as long\n", min["short/jq"] / min["short/backtest"]
    if (min["short/reference-loop"]) printf "the reference loop takes %.1f times as long\n", min["short/reference-loop"] / min["short/backtest"]
  }' "$dir/times"
printf 'memory: %s MB for one file, %s MB for the same file ten times\n' \
  "$(rss "$bgctl" backtest "$short")" "$(rss "$bgctl" backtest $(printf "$short %.0s" {1..10}))"

if [[ ${GOBENCH:-yes} == yes ]]; then
  echo
  go test -run '^$' -bench . -benchmem ./internal/logstream ./internal/alert ./internal/compose
fi
