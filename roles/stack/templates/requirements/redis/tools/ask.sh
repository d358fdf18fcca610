#!/bin/sh
# Asks the server as its keeper: ask INFO stats. The password goes through stdin.
set -eu

{
    printf 'AUTH keeper %s\n' "$(cat /run/redis/keeper)"
    printf '%s\n' "$*"
} | redis-cli -p "$REDIS_PORT" | sed 1d
