#!/bin/sh
# Gives the gate the password that stdin tells of, and proves it by going through. A line is
#   accept gate_password <value>      or      refuse gate_password <value>
# The gate has one password: the value that is accepted last. A value is in no argument, no environment and no message.
# Says that the password was changed, and nothing when it was not.
set -euf
IFS='
'

told=$(cat)

values() {
    printf '%s\n' "$told" | sed -n "s/^$1 gate_password //p"
}

# Whether the gate opens for a value.
opens() {
    code=$(printf 'user = "%s"\n' "$(printf '%s:%s' "$ADMIN_USER" "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')" \
        | curl --config - --silent --insecure --output /dev/null --write-out '%{http_code}' \
            --resolve "$DOMAIN:$HTTPS_PORT:127.0.0.1" "https://$DOMAIN:$HTTPS_PORT/gate")
    [ "$code" = 204 ]
}

value=$(values accept | tail -n 1)
if [ -n "$value" ] && ! opens "$value"; then
    printf '%s' "$value" | gate
    opens "$value" || { echo 'The gate does not open for the password that it was given.' >&2; exit 1; }
    echo 'The password of the gate was changed.'
fi
for value in $(values refuse); do
    ! opens "$value" || { echo 'The gate still opens for the password that was taken from it.' >&2; exit 1; }
done
