#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What a person would type to bring a finished project onto a fresh Debian machine: the same packages, base image, build and start
# as the collection's, and nothing that it checks besides.
#   by_hand.sh PROJECT.tar.gz CACHE ssh-arguments ...
set -euo pipefail
project=$1 cache=$2
shift 2

on() { ssh "$@"; }

on "$@" 'export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends \
    apparmor bash docker-buildx docker-cli docker-compose docker.io iptables make nftables openssl \
    python3-cryptography python3-requests tzdata unattended-upgrades
useradd --create-home --shell /bin/bash --groups docker wil
echo 127.0.0.1 wil.42.fr >>/etc/hosts'

mirror=http://deb.debian.org/debian
mkdir -p "$cache"
mmdebstrap --quiet --variant=minbase \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$cache/base.tar.zst" \
    "deb $mirror bookworm main" "deb $mirror bookworm-updates main" "deb $mirror-security bookworm-security main"
on "$@" 'cat >/root/base.tar.zst' <"$cache/base.tar.zst"
on "$@" 'docker import /root/base.tar.zst debian:bookworm'

on "$@" 'mkdir /home/wil/inception && tar -xz -C /home/wil/inception && chown -R wil: /home/wil' <"$project"
on "$@" 'su --login wil --command "make -C inception"'
on "$@" 'python3 -c "import ssl, urllib.request as r; r.urlopen(\"https://wil.42.fr/\", context=ssl.create_default_context(cafile=\"/home/wil/inception/secrets/ca.crt\"))"'
