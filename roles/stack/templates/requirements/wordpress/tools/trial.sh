#!/bin/sh
# Whether php-fpm takes its settings, and whether what is put among the site's files is PHP.
set -eu

php-fpm --test
for file in /usr/src/inception/*.php /usr/local/lib/inception/*.php; do
    php -l "$file" >/tmp/trial || { cat /tmp/trial >&2; exit 1; }
done
