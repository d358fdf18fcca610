#!/bin/sh
# Whether NGINX takes its settings, and is healthy with them: one that answers everybody with an error takes its settings, too.
set -eu

nginx -e /dev/stderr -c /tmp/nginx.conf -t
# Beside the one that visitors come to: nothing leads to this one.
nginx -e /dev/stderr -c /tmp/nginx.conf
for _ in 1 2 3 4; do
    ! check 2>/dev/null || exit 0
    sleep 1
done
echo 'NGINX starts, and its health check fails:' >&2
check
