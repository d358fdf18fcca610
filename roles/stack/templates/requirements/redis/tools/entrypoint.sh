#!/bin/sh
# Makes the accounts, then becomes the cache server.
set -eu
# A container's first process gets no signal that it does not ask for: told to stop, it would get ready first, and then run on until it is killed.
trap 'exit 143' QUIT TERM
umask 077

run=/run/redis

# shellcheck source=/dev/null
. /usr/local/lib/inception/accounts.sh

# The keeper looks after the server from inside this container, with a password of this start's own.
od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n' >"$run/keeper"

# WordPress reads and writes, and nothing that a cache does not need: no KEYS, no FLUSHALL, no CONFIG, no script, no other dangerous command.
# It empties its cache by removing its own keys, so not even FLUSHDB is needed.
cat >"$run/users.acl" <<ACL
user default on #$(digest </run/secrets/redis_password) ~* resetchannels -@all +@read +@write +@transaction +@connection -@dangerous +info
user keeper on #$(digest <"$run/keeper") resetchannels -@all +ping +info +acl|getuser +acl|setuser
ACL

exec "$@" --port "$REDIS_PORT"
