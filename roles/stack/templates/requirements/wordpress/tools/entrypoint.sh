#!/bin/sh
# Brings WordPress into the volume, installs the site once, then becomes php-fpm.
set -eu
umask 022

source=/usr/src/wordpress
site=/var/www/html

# Without its database it would not serve: then the volume, which another container may be serving, stays as it is.
database=$(php /usr/local/lib/inception/install.php database)

# Another container may be serving the site from the same volume: a file changes at once, or not at all.
put() {
    cmp -s "$1" "$2" && return
    cp "$1" "${2%/*}/.new"
    mv "${2%/*}/.new" "$2"
}

php /usr/local/lib/inception/files.php "$source" "$site" "$database"

mkdir -p "$site/wp-content/mu-plugins" "$site/wp-content/uploads"
# Bodies of requests, while they are worked on; a container that was killed has left some.
mkdir -p "$site/wp-content/.incoming"
chmod 700 "$site/wp-content/.incoming"
find "$site/wp-content/.incoming" -type f -mmin +1440 -delete
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

cat /etc/ssl/certs/ca-certificates.crt /run/secrets/ca_certificate >/tmp/ca-bundle.crt

php /usr/local/lib/inception/install.php
# Whatever they do when they are turned on or off, and if they never end: the site goes on.
timeout 60 php /usr/local/lib/inception/code.php settle || echo "The site's own code was not turned on or taken away as it is said; the next start tries again."

# Not where it asks others: they would have PHP run what they like.
WORDPRESS_LISTEN=$(php /usr/local/lib/inception/asked.php wordpress):$WORDPRESS_PORT
export WORDPRESS_LISTEN
echo "$WORDPRESS_LISTEN" >/tmp/listen
# The rows of a large picture go back to the system when it is done. In the heap, one small thing above them would keep them all, in each child.
export MALLOC_MMAP_THRESHOLD_=8192

exec "$@"
