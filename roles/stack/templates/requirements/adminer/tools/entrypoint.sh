#!/bin/sh
# Listens where NGINX asks, and not where the database is; then becomes php-fpm.
set -eu

ADMINER_LISTEN=$(php /usr/local/lib/inception/asked.php adminer):9000
export ADMINER_LISTEN
echo "$ADMINER_LISTEN" >/tmp/listen

exec "$@"
