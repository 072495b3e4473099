#!/usr/bin/env bash
# Shows bgctl on a running stack: brings it up, sends it traffic, and opens the
# dashboard on a terminal, or prints the status elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
url=$1

NGINX_IMAGE=$(scripts/proxy-image.sh)
export NGINX_IMAGE
bin/bgctl up --demo

goodbye() { printf '\nThe stack is still up at %s. Take it down with: make down\n' "$url"; }

if [ -t 0 ] && [ -t 1 ]; then
  bin/bgctl load --rate 50 --for 1h "$url" >/dev/null 2>&1 &
  trap 'kill "$!" 2>/dev/null || true; goodbye' EXIT
  bin/bgctl dashboard
else
  bin/bgctl load --rate 50 --for 10s "$url"
  bin/bgctl status
  goodbye
fi
