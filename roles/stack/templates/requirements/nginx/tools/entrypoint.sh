#!/bin/sh
# Fills the settings into the configuration, then becomes nginx.
set -eu

# shellcheck disable=SC2016  # the names are envsubst's, not the shell's
envsubst '${DOMAIN} ${HTTPS_PORT} ${WORDPRESS_PORT}' </etc/nginx/inception.conf >/tmp/nginx.conf

exec "$@"
