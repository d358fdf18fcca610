#!/bin/sh
# Whether the volume has so many MiB: what is free, and what is in reserve.
set -eu

free=$(df -Pk /var/lib/mysql | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
[ ! -e /var/lib/mysql/reserve ] || free=$((free + 32 * 1024))
[ "$free" -ge $(($1 * 1024)) ]
