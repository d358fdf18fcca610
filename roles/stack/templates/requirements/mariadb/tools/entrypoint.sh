#!/bin/sh
# Makes the data folder on the first start, then becomes the database server.
set -eu
# A container's first process gets no signal that it does not ask for: told to stop, it would get ready first, and then run on until it is killed.
trap 'exit 143' QUIT TERM
umask 077

volume=/var/lib/mysql
run=/run/mysqld

# shellcheck source=/dev/null
. /usr/local/lib/inception/quote.sh

# Older servers do not read what a newer one wrote, and may damage it.
trial

{% if __inception_galera | default(false) %}
# Who begins, and whom the others join, is known here or waited for.
: >"$run/members.cnf"
way=$(member way)
begins=${way%% *} way=${way#* }
position=${way%% *}
case $begins-$position in
    join-own)
        echo 'The folder has a database of its own, and the others have another one; one of them has to be taken away first.' >&2
        exit 1 ;;
    # What was not brought to its end, or is wrong: another one has all of it.
    join-none | join-joining | join-lost | join-spoiled | join-void)
        touch "$volume/joining"
        rm -rf "$volume/data"
        mkdir "$volume/data" ;;
esac
rm -f "/var/lib/mysql-members/void-$MEMBER"
# Who was there last is settled now; the server would go by it once more.
rm -f "$volume/data/gvwstate.dat"

{% endif %}
# Built aside and renamed: an interrupted first start leaves nothing that looks finished.
if [ ! -d "$volume/data" ]; then
    rm -rf "$volume/data.new"
    mariadb-install-db --no-defaults --datadir="$volume/data.new" --tmpdir=/tmp \
        --auth-root-authentication-method=normal --skip-test-db --skip-log-bin >/dev/null
    sync
    mv "$volume/data.new" "$volume/data"
fi

# Made at each start; where the power failed just then there is nothing in it, and no server starts with it.
coordinator=$volume/data/tc.log
if [ -e "$coordinator" ] && [ -z "$(head -c 4 "$coordinator" | tr -d '\000')" ]; then
    rm -f "$coordinator"
fi

# From here on nothing is written that is there already: a database starts on a full disk too.
server=$(mariadbd --version)
if [ "$(cat "$volume/server" 2>/dev/null)" != "$server" ]; then
    printf '%s\n' "$server" >"$volume/server.new"
    mv "$volume/server.new" "$volume/server"
fi

password=$(cat /run/secrets/db_password)
root_password=$(cat /run/secrets/db_root_password)
user=$(sql_string "$MARIADB_USER")

# Under another name, the database has the tables that it had under a former one. Each is moved at once or not at all.
names="$volume/databases"
[ -e "$names" ] || touch "$names"
{% if __inception_galera | default(false) %}
# Renamed by one member alone, its tables would be other ones than the others'.
if [ "$begins-$position" != begin-own ] && grep -vqxF "$MARIADB_DATABASE" "$names" && ! grep -qxF "$MARIADB_DATABASE" "$names"; then
    echo "The database is called $(tail -n 1 "$names"); where it is on several nodes it cannot get another name." >&2
    exit 1
fi
{% endif %}
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

{% if __inception_galera | default(false) %}
# Of tables in another engine the others would get the form alone. Before they join, they become InnoDB's; in one line, since that is what the server reads.
tables_to_innodb() {
    [ "$begins" = begin ] || return 0
    # A form that only the other engine has is no reason to fail.
    echo 'SET SESSION innodb_strict_mode = OFF;'
    printf '%s' 'BEGIN NOT ATOMIC FOR one IN (SELECT TABLE_SCHEMA AS place, TABLE_NAME AS name FROM information_schema.TABLES' \
        " WHERE TABLE_SCHEMA = $database AND TABLE_TYPE = 'BASE TABLE' AND ENGINE IN ('MyISAM', 'Aria', 'MEMORY', 'ARCHIVE', 'CSV')) DO" \
        " EXECUTE IMMEDIATE CONCAT('ALTER TABLE \`', one.place, '\`.\`', REPLACE(one.name, '\`', '\`\`'), '\` ENGINE=InnoDB'); END FOR; END;"
}

{% endif %}
# A statement, where a condition in SQL does not hold. An account that is written again would wait for a full disk to be emptied.
unless() {
    printf 'SELECT COUNT(*) INTO @is_so FROM %s;\n' "$1"
    printf "EXECUTE IMMEDIATE IF(@is_so, 'DO 0', %s);\n" "$(sql_string "$2")"
}

# An account's password: its name and host as SQL strings, and the value.
password_of() {
    value=$(sql_string "$3")
    unless "mysql.global_priv WHERE User = $1 AND Host = $2 AND JSON_VALUE(Priv, '$.plugin') = 'mysql_native_password' \
AND JSON_VALUE(Priv, '$.authentication_string') = PASSWORD($value) AND NOT JSON_EXISTS(Priv, '$.auth_or[1]')" "ALTER USER $1@$2 IDENTIFIED BY $value"
}

database=$(sql_string "$MARIADB_DATABASE")
rights="Select_priv, Insert_priv, Update_priv, Delete_priv, Create_priv, Drop_priv, References_priv, Index_priv, Alter_priv, Create_tmp_table_priv, \
Lock_tables_priv, Create_view_priv, Show_view_priv, Create_routine_priv, Alter_routine_priv, Execute_priv, Event_priv, Trigger_priv, Delete_history_priv"

# The server reads this before its first connection, on every start: the accounts follow the secrets.
cat >"$run/init.sql" <<SQL
{% if inception_backup_place and (inception_backup_point_in_time | bool) %}
SET SESSION sql_log_bin = 0;
{% endif %}
CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
$(renamed_tables)
{% if __inception_galera | default(false) %}
$(tables_to_innodb)
{% endif %}
CREATE USER IF NOT EXISTS $user@'%';
$(password_of "$user" "'%'" "$password")
$(unless "mysql.db WHERE User = $user AND Host = '%' AND Db = $database AND 'N' NOT IN ($rights)" \
    "GRANT ALL PRIVILEGES ON \`$MARIADB_DATABASE\`.* TO $user@'%'")
$(password_of "'root'" "'localhost'" "$root_password")
{% if __inception_galera | default(false) %}
CREATE USER IF NOT EXISTS 'check'@'$CLUSTER_NETWORKS' WITH MAX_USER_CONNECTIONS 50;
CREATE USER IF NOT EXISTS 'check'@'localhost';
{% endif %}
DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');
FLUSH PRIVILEGES;
SQL

write_client_options "$password"
{% if __inception_galera | default(false) %}

# What members say to each other goes through a network of their own; who gives another one all that there is reads it as root.
address=$(cut -d' ' -f2 "/var/lib/mysql-members/$MEMBER")
cat >"$run/members.cnf" <<CNF
[mariabackup]
user = root
password = $(option_string "$root_password")
[sst]
sockopt = ",bind=$address"
CNF
# Who says nothing for three seconds is put out of the group, and all go on.
set -- "$@" --wsrep-node-name="$MEMBER" --wsrep-node-address="$address" --wsrep-sst-receive-address="$address" \
    --wsrep-provider-options="gmcast.listen_addr=tcp://$address:4567;ist.recv_addr=$address;gcache.size=64M;pc.wait_prim_timeout=PT2M;\
evs.keepalive_period=PT1S;evs.inactive_check_period=PT0.5S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT5S;evs.install_timeout=PT5S;\
gmcast.peer_timeout=PT3S;gcs.fc_single_primary=yes;gcs.fc_limit=128"
# The first one is the writer: it gives to others when there is nobody else.
givers=
for one in $MEMBERS; do givers="$one,$givers"; done
set -- "$@" --wsrep-sst-donor="$givers"
case $position in *:*) set -- "$@" --wsrep-start-position="$position" ;; esac
if [ "$begins" = begin ]; then
    [ ! -e "$volume/data/grastate.dat" ] || sed -i 's/^safe_to_bootstrap: 0/safe_to_bootstrap: 1/' "$volume/data/grastate.dat"
    set -- "$@" --wsrep-new-cluster --wsrep-cluster-address=gcomm://
else
    set -- "$@" --wsrep-cluster-address="gcomm://${way#* }"
fi
{% endif %}

# On a full disk InnoDB ends where it takes a write back, and could not start again. So some room is in reserve (room): it is given up for that
# start, after which nothing is written; check ends the server when there is room, and it starts anew.
reserve=$volume/reserve
if room 64; then
    rm -f "$run/full"
    [ -e "$reserve" ] || { head -c 33554432 /dev/zero >"$reserve.new" && mv "$reserve.new" "$reserve"; }
else
    echo "The disk is full: what there is is shown, and nothing is written until 128 MiB are free." >&2
    rm -f "$reserve"
    touch "$run/full"
    set -- "$@" --read-only
fi
{% if inception_backup_place and (inception_backup_point_in_time | bool) %}

# A data folder that was made anew, by a restore for example, has logs of another name: no place in the former ones fits it. On a full disk too:
# after a kill the logs know which transactions are whole, and without them the server does not start.
[ -e "$volume/series" ] || { date -u +log-%Y%m%d%H%M%S >"$volume/series.new" && mv "$volume/series.new" "$volume/series"; }
set -- "$@" --log-bin="/var/lib/mysql-logs/$(cat "$volume/series")"
{% endif %}

exec "$@" --port="$MARIADB_PORT"
