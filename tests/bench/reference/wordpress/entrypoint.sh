#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs WordPress on the first start, then becomes php-fpm.
set -eu

site=/var/www/html
install --owner=www-data --mode=400 /run/secrets/password /etc/password
if [ ! -e $site/wp-config.php ]; then
    cp -R /usr/src/wordpress/. $site/
    cp /usr/src/wp-config.php $site/
    php /usr/src/install.php
    chown -R www-data: $site
fi
mkdir -p /run/php

exec "$@"
