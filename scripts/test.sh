#!/usr/bin/env bash
# Runs the given make targets one after the other, all of them even when one fails,
# and ends with a summary. Exit code 1 when any failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What e2e needs from the network comes while the compiler has the processor. What goes
# wrong here goes wrong again in e2e, and is told there.
fetching=
if [[ " $* " == *" e2e "* ]]; then
  { scripts/proxy-image.sh && scripts/docker-compose.sh; } >/dev/null 2>&1 </dev/null &
  fetching=$!
fi

summary=()
failed=0
for target in "$@"; do
  if [ "$target" = e2e ]; then wait "$fetching"; fi
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
printf '%-16s %4d s\n' together "$SECONDS"
exit "$failed"
