{% if inception_backup_place and (inception_backup_point_in_time | bool) %}
#!/bin/sh
# The logs of what was written, of which each data folder has a series (entrypoint.sh).
#   moment since FILE PLACE MOMENT    what was written from a place in a log up to a moment (UTC), as statements
#   moment replay                     takes that from its input
#   moment tidy                       removes what is too much or too old
set -eu
umask 077

logs=/var/lib/mysql-logs
oldest_days=8
most_kib=1048576

# On the disk's last MiB the database comes first. Of the newest ones the server may read after a failure.
tidy() {
    # shellcheck disable=SC2012 # their names are ours
    ls -t "$logs"/log-*.[0-9]*[0-9] 2>/dev/null | tail -n +5 | tac | while read -r log; do
        if room 512 && [ "$(du -sk "$logs" | cut -f1)" -le "$most_kib" ] && [ -z "$(find "$log" -mtime "+$oldest_days")" ]; then
            break
        fi
        rm -f "$log"
    done
    for index in "$logs"/log-*.index; do
        [ -n "$(find "$logs" -name "$(basename "$index" .index).[0-9]*[0-9]" | head -n 1)" ] || rm -f "$index" "${index%.index}.state"
    done
}

refuse() {
    echo "$1" >&2
    exit 1
}

# When a series was written to last, or its server ended.
last() {
    # shellcheck disable=SC2012
    newest=$(ls -t "$logs/$1".[0-9]*[0-9] 2>/dev/null | head -n 1)
    if [ -n "$newest" ]; then date -u -r "$newest" +%Y%m%d%H%M%S; else echo 0; fi
}

since() {
    series=${1%.*}
    [ -e "$logs/$1" ] || refuse "what was written after it is kept for $oldest_days days, of at most $((most_kib / 1024)) MiB and where the disk has room: the log $1 is gone"
    end=$(printf '%s' "$3" | tr -cd 0-9)
    for other in "$logs"/log-*.index; do
        name=$(basename "$other" .index)
        ended=$(last "$name")
        if [ "$name" = "$series" ]; then
            [ "$name" = "$(cat /var/lib/mysql/series)" ] || [ "$end" -le "$ended" ] || refuse "all data was replaced at $ended UTC, by a restore or an import"
        elif [ "$end" -ge "${name#log-}" ] && [ "$end" -le "$ended" ]; then
            refuse "from ${name#log-} to $ended UTC other data was there, by a restore or an import"
        fi
    done
    first=${1##*.} place=$2 end=$3
    set --
    for log in "$logs/$series".[0-9]*[0-9]; do
        [ "${log##*.}" -lt "$first" ] || set -- "$@" "$log"
    done
    TZ=UTC exec mariadb-binlog --no-defaults --database="$MARIADB_DATABASE" --start-position="$place" --stop-datetime="$end" "$@"
}

# Rows of a log are root's to write.
replay() {
    # shellcheck source=/dev/null
    . /usr/local/lib/inception/quote.sh
    exec mariadb --defaults-file=/dev/fd/3 --binary-mode --default-character-set=utf8mb4 3<<CNF
[client]
socket = /run/mysqld/mysqld.sock
user = root
password = $(option_string "$(cat /run/secrets/db_root_password)")
CNF
}

"$@"
{% endif %}
