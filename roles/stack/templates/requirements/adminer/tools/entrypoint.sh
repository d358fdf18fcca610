#!/bin/sh
# Listens where NGINX asks, and not where the database is; then becomes php-fpm.
set -eu
# A container's first process gets no signal that it does not ask for: told to stop, it would get ready first, and then run on until it is killed.
trap 'exit 143' QUIT TERM

ADMINER_LISTEN=$(php /usr/local/lib/inception/asked.php adminer):9000
export ADMINER_LISTEN
echo "$ADMINER_LISTEN" >/tmp/listen

exec "$@"
