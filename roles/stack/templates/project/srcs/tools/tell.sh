#!/bin/sh
# Tells a running service which values of its secrets to accept and which to refuse. The values are read from secrets/ and go through its stdin.
#   tell.sh wordpress word=accept wp_user_password.txt
set -eu

service=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root/secrets"
for file; do
    case $file in word=*) ;; *) [ -s "$file" ] || { echo "There is no value in secrets/$file." >&2; exit 1; } ;; esac
done
awk '{ name = FILENAME; sub(/[.]txt.*/, "", name); print word, name, $0 }' "$@" \
    | docker compose --file "$root/srcs/docker-compose.yml" exec -T "$service" accept
