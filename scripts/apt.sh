#!/usr/bin/env bash
# apt.sh SET...: sees to it that the Debian packages of scripts/packages/SET.txt are installed.
# Asks dpkg first, so nothing is touched (and no password is asked for) when nothing is missing.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[ "${APT:-yes}" != no ] || exit 0

lists=("${@/#/scripts/packages/}")
mapfile -t packages < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "${lists[@]/%/.txt}" | sort -u)

if ! have apt-get || ! have dpkg-query; then
    die "This is neither Debian nor Ubuntu. Install what these Debian packages hold, under your system's names:" \
        "  ${packages[*]}" \
        "and call make again with APT=no; or build the container: docker build -t sightglass . (see Dockerfile)"
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    have sudo || die "These packages are missing, and there is no sudo to install them with. As root, run:" \
        "  apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@"; }

say "installing with apt-get: ${missing[*]}"
apt update -q || say "apt-get update failed; going on with the lists that are there"
apt install -y -q --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install them: its own message stands above." \
        "scripts/packages/*.txt are Debian 12's names. Where yours differ, install yours and call make again with" \
        "APT=no; or build the container: docker build -t sightglass . (see Dockerfile)"
