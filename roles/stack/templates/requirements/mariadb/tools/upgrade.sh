#!/bin/sh
# Brings the server's own tables (rights, statistics, the sys schema) up to this server's version, after an older one had the data.
# Says so, and nothing where that was done before. WordPress's tables need nothing: the server reads each older form.
set -eu
umask 077

# What the server said when that was done last. Nobody signs in for nothing: after a rotation this container's file has the former password,
# and one that has just taken over has the present one.
version=$(mariadbd --version | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+-MariaDB' | head -n 1)
if grep -qsxF "$version" /var/lib/mysql/data/m*_upgrade_info; then
    exit 0
fi

# shellcheck source=/dev/null
. /usr/local/lib/inception/quote.sh

options=$(mktemp /tmp/upgrade.XXXXXX)
trap 'rm -f "$options"' EXIT
cat >"$options" <<CNF
[client]
socket = /run/mysqld/mysqld.sock
user = root
password = $(option_string "$(cat /run/secrets/db_root_password)")
CNF

if ! said=$(mariadb-upgrade --defaults-file="$options" --upgrade-system-tables 2>&1); then
    printf '%s\n' "$said" | tail -n 3 >&2
    exit 1
fi
case $said in *'already upgraded'*) exit 0 ;; esac
echo "its own tables are those of ${version%-MariaDB} now"
