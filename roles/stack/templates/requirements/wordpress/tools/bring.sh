#!/bin/sh
# What is this image's own comes into the volume: at a start, and in a container that goes on after its successor has been given up.
set -eu
umask 022

site=/var/www/html

# Another container may be serving the site from the same volume: a file changes at once, or not at all.
put() {
    cmp -s "$1" "$2" && return
    cp "$1" "${2%/*}/.new"
    mv "${2%/*}/.new" "$2"
}

mkdir -p "$site/wp-content/mu-plugins" "$site/wp-content/uploads"
# They tell of versions.
rm -f "$site/readme.html" "$site/license.txt" "$site/wp-config-sample.php"
put /usr/src/inception/wp-config.php "$site/wp-config.php"
put /usr/src/inception/inception.php "$site/wp-content/mu-plugins/inception.php"
put /usr/src/inception/pictures.php "$site/wp-content/mu-plugins/inception-pictures.php"
# One that somebody has written stays.
if [ ! -e "$site/wp-content/db-error.php" ] || grep -q 'Inception: ' "$site/wp-content/db-error.php"; then
    put /usr/src/inception/db-error.php "$site/wp-content/db-error.php"
fi
{% if stack_page_cache | bool %}
put /usr/src/inception/pages.php "$site/wp-content/mu-plugins/inception-pages.php"
{% else %}
rm -rf "$site/wp-content/mu-plugins/inception-pages.php" "$site/wp-content/.pages"
{% endif %}
{% if inception_wordpress_code | length > 0 %}
put /usr/src/inception/code.php "$site/wp-content/mu-plugins/inception-code.php"
{% else %}
rm -f "$site/wp-content/mu-plugins/inception-code.php"
{% endif %}
# The site's own themes and plugins, as they are in this image.
php /usr/local/lib/inception/code.php bring

# The object cache's drop-in comes and goes with Redis. One that somebody else has put there stays.
cache=$site/wp-content/object-cache.php
ours=$site/wp-content/.object-cache
if [ ! -e /usr/src/inception/object-cache.php ]; then
    if [ -e "$ours" ]; then
        rm -f "$cache" "$ours"
    fi
elif [ -e "$ours" ] || [ ! -e "$cache" ]; then
    : >"$ours"
    put /usr/src/inception/object-cache.php "$cache"
else
    echo "wp-content/object-cache.php is not this project's: it stays, and WordPress does not use Redis through ours."
fi
