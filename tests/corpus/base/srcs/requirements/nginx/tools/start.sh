#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
if [ ! -f /run/tls/site.key ]; then
	mkdir -p /run/tls
	openssl req -x509 -nodes -newkey rsa:2048 -days 365 -subj "/CN=wil.42.fr" \
		-keyout /run/tls/site.key -out /run/tls/site.crt 2>/dev/null
fi
exec "$@"
