#!/bin/sh
# Whether this image's server may open the data that there is: it may be newer, never older. It only reads.
set -eu

# What the server that had the data last said of itself (entrypoint.sh); a folder of before that says who made it.
written=/var/lib/mysql/server
for file in mariadb_upgrade_info mysql_upgrade_info; do
    [ -e "$written" ] || written=/var/lib/mysql/data/$file
done
[ -e "$written" ] || exit 0

# 10.11.18-MariaDB: what is written to disk may differ from 10.11 to 11.4.
series() {
    grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1 | cut -d. -f1,2
}

of_data=$(series <"$written")
of_image=$(mariadbd --version | series)
newest=$(printf '%s\n' "$of_data" "$of_image" | sort -V | tail -n 1)
if [ "$newest" != "$of_image" ]; then
    echo "The data folder was created by a newer version, MariaDB $of_data, than the $of_image of this image." >&2
    exit 1
fi
