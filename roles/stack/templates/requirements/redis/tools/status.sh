#!/bin/sh
# How much the cache is of use, in one line.
set -eu

{ ask INFO stats; ask INFO memory; ask INFO keyspace; } | tr -d '\r' | awk -F '[:,=]' '
    $1 == "keyspace_hits" { hits = $2 }
    $1 == "keyspace_misses" { misses = $2 }
    $1 == "used_memory_human" { used = $2 }
    $1 == "maxmemory_human" { most = $2 }
    $1 == "db0" { keys = $3 }
    END {
        if (used == "") exit 1
        printf "%d %% of %d lookups were hits; %d keys, %s of %s\n", hits * 100 / (hits + misses ? hits + misses : 1), hits + misses, keys, used, most
    }'
