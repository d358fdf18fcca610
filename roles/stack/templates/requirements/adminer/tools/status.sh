#!/bin/sh
# Asks Adminer for its sign-in through php-fpm, as nginx does, and says which version answered.
set -eu

version=$(REQUEST_METHOD=GET REQUEST_URI=/adminer/ SCRIPT_NAME=/adminer/index.php SCRIPT_FILENAME=/srv/adminer/index.php \
    cgi-fcgi -bind -connect "$(cat /tmp/listen)" | sed -n "s/.*class=[\"']version[\"']>\([0-9.]*\).*/\1/p")
[ -n "$version" ]
echo "version $version shows its sign-in"
