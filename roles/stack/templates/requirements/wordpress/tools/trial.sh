#!/bin/sh
# Whether php-fpm takes its settings, whether what is put among the site's files is PHP, and whether the site works with its own code.
set -eu

php-fpm --test
for file in /usr/src/inception/*.php /usr/local/lib/inception/*.php; do
    php -l "$file" >/tmp/trial || { cat /tmp/trial >&2; exit 1; }
done

php /usr/local/lib/inception/code.php check
