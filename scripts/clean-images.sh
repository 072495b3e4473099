#!/usr/bin/env bash
# Removes the stand-in proxy image, the bgctl image, and the cached root file system.
set -euo pipefail

images=$(docker image ls -q --filter label=bgctl.standin; docker image ls -q 'bgctl*')
# shellcheck disable=SC2086 # one word per image
[ -z "$images" ] || docker rmi -f $(printf '%s\n' $images | sort -u)
rm -f "${XDG_CACHE_HOME:-$HOME/.cache}"/bgctl/nginx-*.tar
