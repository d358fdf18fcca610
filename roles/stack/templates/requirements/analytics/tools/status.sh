#!/bin/sh
# How much was asked for today, and by how many.
set -eu

ask | awk -v RS='"hits": ' -v day="$(date +%Y%m%d)" '
    index($0, "\"data\": \"" day "\"") {
        split($0, part, /"count": /)
        printf "%d requests of %d visitors today\n", part[2], part[3]
        found = 1
        exit
    }
    END {
        if (!NR) exit 1
        if (!found) print "no visits today"
    }'
