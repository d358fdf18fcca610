#!/bin/sh
# Makes the data folder on the first start, then becomes the database server.
set -eu
umask 077

volume=/var/lib/mysql
run=/run/mysqld

# shellcheck source=/dev/null
. /usr/local/lib/inception/quote.sh

# Older servers do not read what a newer one wrote, and may damage it.
trial

# Built aside and renamed: an interrupted first start leaves nothing that looks finished.
if [ ! -d "$volume/data" ]; then
    rm -rf "$volume/data.new"
    mariadb-install-db --no-defaults --datadir="$volume/data.new" --tmpdir=/tmp \
        --auth-root-authentication-method=normal --skip-test-db --skip-log-bin >/dev/null
    sync
    mv "$volume/data.new" "$volume/data"
fi

mariadbd --version >"$volume/server.new"
mv "$volume/server.new" "$volume/server"

password=$(cat /run/secrets/db_password)
root_password=$(cat /run/secrets/db_root_password)
user=$(sql_string "$MARIADB_USER")

# Under another name, the database has the tables that it had under a former one. Each is moved at once or not at all.
names="$volume/databases"
touch "$names"
grep -qxF "$MARIADB_DATABASE" "$names" || printf '%s\n' "$MARIADB_DATABASE" >>"$names"
renamed_tables() {
    grep -x '[A-Za-z0-9_]*' "$names" | while read -r former; do
        [ "$former" != "$MARIADB_DATABASE" ] || continue
        for table in "$volume/data/$former"/*.frm; do
            [ -e "$table" ] || continue
            table=$(basename "$table" .frm)
            [ ! -e "$volume/data/$MARIADB_DATABASE/$table.frm" ] || continue
            echo "RENAME TABLE \`$former\`.\`$table\` TO \`$MARIADB_DATABASE\`.\`$table\`;"
        done
    done
}

# The server reads this before its first connection, on every start: the accounts follow the secrets.
cat >"$run/init.sql" <<SQL
CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
$(renamed_tables)
CREATE USER IF NOT EXISTS $user@'%';
ALTER USER $user@'%' IDENTIFIED BY $(sql_string "$password");
GRANT ALL PRIVILEGES ON \`$MARIADB_DATABASE\`.* TO $user@'%';
ALTER USER 'root'@'localhost' IDENTIFIED BY $(sql_string "$root_password");
DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');
FLUSH PRIVILEGES;
SQL

write_client_options "$password"

exec "$@" --port="$MARIADB_PORT"
