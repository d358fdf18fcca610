#!/bin/sh
# Makes the accounts accept the passwords that stdin tells of and no other, and proves it by logging in with each. A line is
#   accept db_password <value>      or      refuse db_password <value>
# and two values of one account may be accepted at once. db_root_password is always told, since root does the work.
# A value is in no argument, no environment and no message. Says which account was changed, and nothing when none was.
set -euf
umask 077
IFS='
'

# shellcheck source=/dev/null
. /usr/local/lib/inception/quote.sh

told=$(cat)

# values accept db_password: those of the lines
values() {
    printf '%s\n' "$told" | sed -n "s/^$1 $2 //p"
}

# SQL from stdin: client user password option...
client() {
    options="[client]
user = $(option_string "$1")
password = $(option_string "$2")"
    shift 2
    mariadb --defaults-file=/dev/fd/3 --batch --skip-column-names "$@" 3<<CNF
$options
CNF
}

# sql statement user password option...: 0 when done, 1 when the password was refused. Of another error, only the number is told.
sql() {
    statement=$1
    shift
    ! errors=$(printf '%s\n' "$statement" | client "$@" 2>&1 >&4) || return 0
    case $errors in *'ERROR 1045 '*) return 1 ;; esac
    printf 'The database answered: %s\n' "$(printf '%s\n' "$errors" | sed -n 's/^\(ERROR [0-9]* ([0-9A-Z]*)\).*/\1/p')" >&2
    exit 2
} 4>&1

as_root() {
    sql "$1" root "$root_password" --socket=/run/mysqld/mysqld.sock
}

# Whether an account lets somebody in: WordPress's over the network, as WordPress comes; root's through the socket.
lets_in() {
    case $1 in
        db_password) sql 'DO 0' "$MARIADB_USER" "$2" --host=mariadb --port="$MARIADB_PORT" ;;
        db_root_password) sql 'DO 0' root "$2" --socket=/run/mysqld/mysqld.sock ;;
    esac
}

# The account of a secret accepts its values from now on.
change() {
    ways=
    for value in $(values accept "$1"); do
        ways="${ways:+$ways OR }mysql_native_password USING PASSWORD($(sql_string "$value"))"
    done
    before=$(as_root "SHOW CREATE USER $2")
    as_root "{{ 'SET SESSION sql_log_bin = 0; ' if inception_backup_place and (inception_backup_point_in_time | bool) }}ALTER USER $2 IDENTIFIED VIA $ways"
    [ "$1" != db_root_password ] || root_password=$value
    [ "$before" = "$(as_root "SHOW CREATE USER $2")" ] || echo "The account of $1 was changed."
}

prove() {
    for value in $(values accept "$1"); do
        lets_in "$1" "$value" || { echo "The account of $1 refuses the value that it was given." >&2; exit 1; }
    done
    for value in $(values refuse "$1"); do
        ! lets_in "$1" "$value" || { echo "The account of $1 still accepts the value that was taken from it." >&2; exit 1; }
    done
}

for root_password in $(values '[a-z]*' db_root_password) ''; do
    [ -n "$root_password" ] || { echo 'Root is let in with no value that was told of db_root_password.' >&2; exit 1; }
    ! lets_in db_root_password "$root_password" || break
done

change db_root_password "'root'@'localhost'"
prove db_root_password

if [ -n "$(values accept db_password)" ]; then
    # The health check's password is one that is accepted before and after.
    write_client_options "$(values accept db_password | head -n 1)"
    change db_password "$(sql_string "$MARIADB_USER")@'%'"
    prove db_password
fi
