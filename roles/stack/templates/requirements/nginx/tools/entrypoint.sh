#!/bin/sh
# Fills the settings into the configuration, sets the gate's password, then becomes nginx.
set -eu

# shellcheck disable=SC2016  # the names are envsubst's, not the shell's
envsubst '${DOMAIN} ${HTTPS_PORT} ${WORDPRESS_PORT}' </etc/nginx/inception/nginx.conf >/tmp/nginx.conf

if [ -e /run/secrets/gate_password ]; then
    gate </run/secrets/gate_password
fi

exec "$@"
