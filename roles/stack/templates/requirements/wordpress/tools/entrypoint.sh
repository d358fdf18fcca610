#!/bin/sh
# Brings WordPress into the volume, installs the site once, then becomes php-fpm.
set -eu
# A container's first process gets no signal that it does not ask for: told to stop, it would get ready first, and then run on until it is killed.
trap 'exit 143' QUIT TERM
umask 022

source=/usr/src/wordpress
site=/var/www/html

# Without its database it would not serve: then the volume, which another container may be serving, stays as it is.
# Asked for in turns, between which it can be told to stop. 75: it is not there yet.
turns=12
until database=$(php /usr/local/lib/inception/install.php database); do
    if [ "$?" -ne 75 ] || [ "$turns" -eq 1 ]; then
        exit 1
    fi
    turns=$((turns - 1))
done

php /usr/local/lib/inception/files.php "$source" "$site" "$database"

# Before WordPress is started, which may be another one's than its drop-ins are for.
bring
# Bodies of requests, while they are worked on; a container that was killed has left some.
mkdir -p "$site/wp-content/.incoming"
chmod 700 "$site/wp-content/.incoming"
find "$site/wp-content/.incoming" -type f -mmin +1440 -delete

cat /etc/ssl/certs/ca-certificates.crt /run/secrets/ca_certificate >/tmp/ca-bundle.crt

php /usr/local/lib/inception/install.php
settle

# Not where it asks others: they would have PHP run what they like.
WORDPRESS_LISTEN=$(php /usr/local/lib/inception/asked.php wordpress):$WORDPRESS_PORT
export WORDPRESS_LISTEN
echo "$WORDPRESS_LISTEN" >/tmp/listen
# The rows of a large picture go back to the system when it is done. In the heap, one small thing above them would keep them all, in each child.
export MALLOC_MMAP_THRESHOLD_=8192

exec "$@"
