#!/usr/bin/env bash
# Runs the tests with the build tag e2e against the real engine: first those of the
# command, which measure, then those of the packages. Tests that own what they work on and
# measure no time run beside each other. Arguments go to go test.
# Wants NGINX_IMAGE; BGCTL_BIN defaults to bin/bgctl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${NGINX_IMAGE:?run make e2e, it finds the image}"
export BGCTL_BIN=${BGCTL_BIN:-$PWD/bin/bgctl}

packages=$(grep -rl --include='*_test.go' '^//go:build e2e' internal | xargs -r -n1 dirname | sort -u | sed 's|^|./|')
[ -n "$packages" ] || { echo "e2e: no package has e2e tests" >&2; exit 1; }
# The tag adds to a package's unit tests, which make unit has run, those named so.
misnamed=$(grep -rl --include='*_test.go' '^//go:build e2e' internal | xargs grep -H '^func Test' | grep -vE ':func (TestE2E_|TestMain\()' || true)
[ -z "$misnamed" ] || { printf 'e2e: would not run:\n%s\n' "$misnamed" >&2; exit 1; }

run() { go test -tags e2e -count=1 -timeout 20m -p 2 -parallel 2 "$@"; }
failed=0
run "$@" ./cmd/bgctl || failed=1
# shellcheck disable=SC2086 # one word per package
run -run '^TestE2E_' "$@" $packages || failed=1
exit "$failed"
