#!/usr/bin/env bash
# Runs the given make targets one after the other, all of them even when one fails,
# and ends with a summary. Exit code 1 when any failed.
set -uo pipefail

summary=()
failed=0
for target in "$@"; do
  printf '\n==> %s\n' "$target"
  start=$SECONDS
  if "${MAKE:-make}" "$target"; then
    verdict=ok
  else
    verdict=FAILED
    failed=1
  fi
  summary+=("$(printf '%-8s %-7s %4d s' "$target" "$verdict" "$((SECONDS - start))")")
done

printf '\n==> summary\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
