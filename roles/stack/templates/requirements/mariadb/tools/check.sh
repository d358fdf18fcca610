#!/bin/sh
# Whether the server answers. One that writes nothing, since the disk was full at its start, ends when there is room: it is started again.
set -eu

{% if __inception_galera | default(false) %}
# A member that has not yet all that the others have is none. Each brings its own tables up itself: that is not told to the others.
member is_well
[ -e /run/mysqld/upgraded ] || { upgrade && touch /run/mysqld/upgraded; }
{% endif %}
mariadb --defaults-file=/run/mysqld/client.cnf --execute='SELECT 1'
{% if inception_backup_place and (inception_backup_point_in_time | bool) %}
moment tidy
{% endif %}
if [ -e /run/mysqld/full ] && room 128; then
    kill -TERM 1
fi
