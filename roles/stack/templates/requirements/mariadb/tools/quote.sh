#!/bin/sh
# What the server's start and its later changes of passwords write alike.

# A value as an SQL string: quotes and backslashes in a password stay what they are.
sql_string() {
    printf "'%s'" "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e "s/'/''/g")"
}

# The same for an option file.
option_string() {
    printf '"%s"' "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')"
}

# For the health check, and for a person: docker compose exec mariadb mariadb --defaults-file=/run/mysqld/client.cnf
# It is read at any time, so it is renamed into its place.
write_client_options() {
    cat >/run/mysqld/client.cnf.new <<CNF
[client]
socket = /run/mysqld/mysqld.sock
user = $MARIADB_USER
password = $(option_string "$1")
[mariadb-client]
database = $MARIADB_DATABASE
CNF
    mv /run/mysqld/client.cnf.new /run/mysqld/client.cnf
}
