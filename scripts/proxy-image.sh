#!/usr/bin/env bash
# Makes sure that the engine has an image to run the proxy on, and prints its name.
#
# In this order: NGINX_IMAGE (default nginx:1.30-alpine) when the engine has it; the
# same after a pull; a stand-in made from Debian packages. The stand-in is for engines
# that reach no registry; it behaves like the official image except that it has no
# entrypoint script (no envsubst on /etc/nginx/templates).
#
# stdout: the image name and nothing else. stderr: what is going on.
set -euo pipefail
# shellcheck source=scripts/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

wanted=${NGINX_IMAGE:-nginx:1.30-alpine}
standin=bgctl-nginx:1.30-debian
suite=forky
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bgctl

say() { printf 'proxy-image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
has() { docker image inspect "$1" >/dev/null 2>&1; }

# need_debootstrap installs debootstrap when it is missing.
need_debootstrap() {
  [ "$(id -u)" -eq 0 ] || die "building the stand-in needs root: run it as root, or set NGINX_IMAGE to an image the engine has"
  command -v apt-get >/dev/null || die "building the stand-in needs a Debian host: set NGINX_IMAGE to an image the engine has"
  command -v debootstrap >/dev/null && return
  say "installing debootstrap"
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends debootstrap; } >&2
}

# imitate_official changes the tree $1 to what the official image looks like: user and
# group nginx with id 101, logs on stdout and stderr, temporary files below
# /var/cache/nginx. A non-root user can run it on a read-only root: every path that
# nginx would make at start is there already.
imitate_official() {
  local root=$1 dir
  chroot "$root" groupadd --system --gid 101 nginx
  chroot "$root" useradd --system --uid 101 --gid 101 --no-create-home \
    --home-dir /nonexistent --shell /bin/false nginx
  rm -rf "$root/var/lib/nginx" "$root/var/log/nginx" "$root/etc/nginx/sites-enabled" \
    "$root/etc/nginx/sites-available" "$root/var/www"
  mkdir -p "$root/var/log/nginx" "$root/etc/nginx/conf.d"
  for dir in body proxy fastcgi uwsgi scgi; do mkdir -p "$root/var/cache/nginx/$dir"; done
  chown -R 101:101 "$root/var/cache/nginx" "$root/var/log/nginx"
  ln -s /var/cache/nginx "$root/var/lib/nginx"
  ln -s /dev/stdout "$root/var/log/nginx/access.log"
  ln -s /dev/stderr "$root/var/log/nginx/error.log"
  cat >"$root/etc/nginx/nginx.conf" <<'CONF'
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
CONF
  cat >"$root/etc/nginx/conf.d/default.conf" <<'CONF'
server {
    listen 80;
    location / { root /usr/share/nginx/html; index index.html index.nginx-debian.html; }
}
CONF
}

# slim removes from the tree $1 what a container never reads.
slim() {
  local root=$1
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/* \
    "$root"/var/log/*.log "$root"/var/log/apt "$root"/usr/share/man "$root"/usr/share/info \
    "$root"/usr/share/locale "$root"/usr/share/lintian "$root"/usr/share/bash-completion \
    "$root"/usr/share/fonts "$root"/debootstrap "$root"/tmp/* "$root"/etc/apt/sources.list \
    "$root"/usr/lib/udev/hwdb.d
  find "$root/usr/share/doc" ! -type d ! -name copyright -delete
  find "$root/usr/share/doc" -type d -empty -delete
  rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
}

# build_rootfs writes the stand-in's root file system to the tar $1.
build_rootfs() {
  local tar=$1 mirror work
  need_debootstrap
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || die "apt names no Debian mirror: run apt-get update, or set NGINX_IMAGE to an image the engine has"
  work=$(mktemp -d "${TMPDIR:-/tmp}/bgctl-rootfs.XXXXXX")
  # shellcheck disable=SC2064 # the path is wanted as it is now
  trap "rm -rf --one-file-system '$work'" EXIT
  say "unpacking Debian $suite with nginx (about half a minute, once)"
  # A host older than the suite has no script for it: the one of sid serves all.
  debootstrap --variant=minbase --include=nginx,curl,wget "$suite" "$work/root" "$mirror" sid \
    >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "debootstrap failed, see above"; }
  imitate_official "$work/root"
  slim "$work/root"
  tar --numeric-owner --one-file-system -C "$work/root" -cf "$tar.part" .
  mv "$tar.part" "$tar"
}

# build_standin puts the stand-in on the engine, from the cached tar when there is one.
build_standin() {
  local arch engine tar built
  arch=$(dpkg --print-architecture 2>/dev/null || uname -m)
  engine=$(docker version --format '{{.Server.Arch}}')
  [ "$arch" = "$engine" ] || die "the engine is $engine and this machine $arch: set NGINX_IMAGE to an image the engine has"
  mkdir -p "$cache"
  exec 9>"$cache/proxy-image.lock"
  if command -v flock >/dev/null; then flock 9; fi
  if has "$standin"; then return; fi
  # The script is the recipe: another recipe, another tar.
  tar=$cache/nginx-$suite-$arch-$(cksum <"${BASH_SOURCE[0]}" | cut -d' ' -f1).tar
  if [ ! -f "$tar" ]; then
    rm -f "$cache/nginx-$suite-$arch"-*.tar*
    build_rootfs "$tar"
  fi
  say "importing $standin"
  # Import first: a build would send the tar through its context and copy it twice.
  docker import "$tar" "$standin" >/dev/null
  if ! built=$(docker build -q -t "$standin" - 2>&1 <<DOCKERFILE
FROM $standin
LABEL bgctl.standin="official nginx image, made from Debian packages"
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
DOCKERFILE
  ); then
    docker rmi "$standin" >/dev/null 2>&1 || true
    die "$built"
  fi
}

command -v docker >/dev/null || die "docker is not installed: install the Docker CLI and start the engine"
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
  die "the Docker engine does not answer: start it, or point DOCKER_HOST at one"
if ! has "$wanted"; then
  say "pulling $wanted"
  if ! timeout 300 docker pull -q "$wanted" >/dev/null 2>&1; then
    say "$wanted cannot be pulled: using $standin"
    has "$standin" || build_standin
    wanted=$standin
  fi
fi
printf '%s\n' "$wanted"
