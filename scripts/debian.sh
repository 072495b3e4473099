# shellcheck shell=bash
# What the scripts share that fetch from Debian.

# debian_mirror prints the Debian mirror that apt on this machine uses.
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 2>/dev/null |
    awk '$2 == "Debian" && $3 == "Debian" && $1 ~ /^https?:/ { print $1; exit }'
}
