#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
if [ ! -f /var/lib/mysql/.complete ]; then
	mariadb-install-db --user=mysql
	mariadbd --bootstrap <<-SQL
		CREATE DATABASE $MYSQL_DATABASE;
		CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$(cat /run/secrets/db_password)';
		GRANT ALL ON $MYSQL_DATABASE.* TO '$MYSQL_USER'@'%';
		ALTER USER root@localhost IDENTIFIED BY '$(cat /run/secrets/db_root_password)';
	SQL
	touch /var/lib/mysql/.complete
fi
exec "$@"
