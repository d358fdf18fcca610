#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the database and its user, then becomes the server with Debian's settings.
set -eu

[ -d /var/lib/mysql/mysql ] || mariadb-install-db --user=mysql >/dev/null
install --directory --owner=mysql /run/mysqld
(
    umask 077
    cat >/run/mysqld/init.sql <<SQL
CREATE DATABASE IF NOT EXISTS wordpress;
CREATE USER IF NOT EXISTS wordpress@'%' IDENTIFIED BY '$(cat /run/secrets/password)';
GRANT ALL PRIVILEGES ON wordpress.* TO wordpress@'%';
SQL
)
chown mysql /run/mysqld/init.sql

exec "$@"
