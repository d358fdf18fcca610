# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
set +o errexit +o pipefail
# What a machine has that could be stopped, closed, changed or taken: containers, their things, listeners, rules, mounts, users and files.
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    docker ps --all --no-trunc --format 'container {{.ID}} {{.Names}} {{.State}}' | sort
    docker ps --quiet | xargs --no-run-if-empty docker inspect --format 'started {{.Name}} {{.State.StartedAt}} {{.RestartCount}}' | sort
    docker volume ls --format 'volume {{.Name}}' | sort
    docker network ls --no-trunc --format 'network {{.ID}} {{.Name}}' | sort
    docker image ls --no-trunc --format 'image {{.ID}} {{.Repository}}:{{.Tag}}' | sort
fi
ss -Hltun 2>/dev/null | awk '{print "listens", $1, $5}' | sort -u
if command -v nft >/dev/null; then nft --stateless list ruleset | sed 's/^/rule /'; fi
sysctl -n net.ipv4.ip_forward | sed 's/^/forward /'
systemctl list-unit-files --no-legend --state=enabled | awk '{print "enabled", $1}' | sort
find /etc /home /root /srv /opt /usr/local /var/lib/fortytwo.inception -xdev \( -path /etc/.pwd.lock -o -path /root/.ssh -o -path /root/.ansible \) -prune -o \
    -type f -print0 2>/dev/null | sort -z | xargs -0 --no-run-if-empty sha256sum | sed 's/^/file /'
find /etc /home /root /srv /opt -xdev -type l -printf 'link %p %l\n' 2>/dev/null | sort
