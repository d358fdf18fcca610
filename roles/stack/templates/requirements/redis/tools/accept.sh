#!/bin/sh
# Makes WordPress's account accept the passwords that stdin tells of and no other, and proves it by signing in with each. A line is
#   accept redis_password <value>      or      refuse redis_password <value>
# and two values may be accepted at once. A value is in no argument, no environment and no message.
# Says that the account was changed, and nothing when it was not.
set -euf
IFS='
'

# shellcheck source=/dev/null
. /usr/local/lib/inception/accounts.sh

told=$(cat)

# values accept: those of the lines
values() {
    printf '%s\n' "$told" | sed -n "s/^$1 redis_password //p"
}

# Whether a value lets somebody in.
lets_in() {
    answer=$(printf 'AUTH "%s"\nPING\n' "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')" | redis-cli -p "$REDIS_PORT" | tail -n 1)
    [ "$answer" = PONG ]
}

digests=$(for value in $(values accept); do printf ' #%s\n' "$(printf '%s' "$value" | digest)"; done | sort | tr -d '\n')
[ -n "$digests" ] || exit 0

before=$(ask ACL GETUSER default)
ask "ACL SETUSER default resetpass$digests" >/dev/null
[ "$before" = "$(ask ACL GETUSER default)" ] || echo 'The account of redis_password was changed.'

for value in $(values accept); do
    lets_in "$value" || { echo 'The account of redis_password refuses the value that it was given.' >&2; exit 1; }
done
for value in $(values refuse); do
    ! lets_in "$value" || { echo 'The account of redis_password still accepts the value that was taken from it.' >&2; exit 1; }
done
