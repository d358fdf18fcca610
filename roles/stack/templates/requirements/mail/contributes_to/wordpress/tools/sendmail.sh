#!/bin/sh
# Hands one mail to the relay of .env. PHP calls it, with the mail on stdin; a failure is a line in WordPress's log, and its sender is told.
set -eu

# WordPress asks before, but a plugin may not.
[ -n "$MAIL_HOST" ] || exit 1

set -- --read-recipients --host="$MAIL_HOST" --port="${MAIL_PORT:?}" --timeout=20 --domain="$DOMAIN" --from="$MAIL_FROM" \
    --tls-trust-file=/tmp/ca-bundle.crt
case $MAIL_TLS in
    starttls) set -- "$@" --tls=on --tls-starttls=on ;;
    tls) set -- "$@" --tls=on --tls-starttls=off ;;
    none) set -- "$@" --tls=off ;;
esac
if [ -n "$MAIL_USER" ]; then
    set -- "$@" --auth=on --user="$MAIL_USER" --passwordeval='cat /run/secrets/mail_password'
fi

exec msmtp "$@"
