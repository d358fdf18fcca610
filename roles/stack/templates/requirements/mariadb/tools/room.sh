#!/bin/sh
# Whether the volume has so many MiB: what is free, and what is in reserve.
set -eu

df -Pk /var/lib/mysql | tail -n 1 | {
    read -r _ all _ free _
    # A file system that does not say how large it is has room.
    case $all in 0 | -) exit 0 ;; esac
    [ ! -e /var/lib/mysql/reserve ] || free=$((free + 32 * 1024))
    [ "$free" -ge $(($1 * 1024)) ]
}
