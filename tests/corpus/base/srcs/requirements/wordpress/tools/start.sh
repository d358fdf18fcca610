#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
set -euo pipefail
cd /var/www/html
db_password=$(cat "$MYSQL_PASSWORD_FILE")
if ! wp core is-installed; then
	wp config create --dbname="$MYSQL_DATABASE" --dbuser="$MYSQL_USER" --dbpass="$db_password" --dbhost=mariadb
	wp core install --url="https://$DOMAIN_NAME" --title=Inception --admin_user="$WP_ADMIN_USER" \
		--admin_email="$WP_ADMIN_EMAIL" --prompt=admin_password < /run/secrets/credentials
	wp user create visitor visitor@student.42.fr --role=author --prompt=user_pass < /run/secrets/credentials
	wp config set WP_REDIS_HOST redis
fi
exec "$@"
