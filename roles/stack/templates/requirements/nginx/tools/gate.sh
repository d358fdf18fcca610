#!/bin/sh
# Gives the gate (conf/gate.conf) the password on stdin. nginx reads the file at each request, so it is renamed into its place.
set -eu
umask 077

printf '%s:%s\n' "$ADMIN_USER" "$(openssl passwd -6 -stdin)" >/tmp/gate.new
mv /tmp/gate.new /tmp/gate
