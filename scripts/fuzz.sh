#!/usr/bin/env bash
# Runs every fuzz test for the given time, one after the other. Inputs are not minimised:
# that takes a minute for each that is of interest, and nothing is tried meanwhile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-10s}

grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort |
  while IFS=: read -r file func; do
    name=${func#func }
    printf '==> %s %s\n' "$(dirname "$file")" "$name"
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1x "$(dirname "$file")"
  done
