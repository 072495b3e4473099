#!/usr/bin/env bash
# Runs the tests with the build tag e2e against the real engine, one package at a time
# because they share that engine. Arguments go to go test.
# Wants NGINX_IMAGE; BGCTL_BIN defaults to bin/bgctl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${NGINX_IMAGE:?run make e2e, it finds the image}"
export BGCTL_BIN=${BGCTL_BIN:-$PWD/bin/bgctl}

packages=$(grep -rl --include='*_test.go' '^//go:build e2e' . | xargs -r -n1 dirname | sort -u)
[ -n "$packages" ] || { echo "e2e: no package has e2e tests" >&2; exit 1; }
# shellcheck disable=SC2086 # one word per package
go test -tags e2e -count=1 -timeout 20m -p 1 "$@" $packages
