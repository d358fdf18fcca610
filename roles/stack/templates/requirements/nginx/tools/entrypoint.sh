#!/bin/sh
# Fills the settings into the configuration, sets the gate's password, then becomes nginx.
set -eu
# A container's first process gets no signal that it does not ask for: told to stop, it would get ready first, and then run on until it is killed.
trap 'exit 143' QUIT TERM

# shellcheck disable=SC2016  # the names are envsubst's, not the shell's
for file in nginx.conf inside_server.conf; do
    envsubst '${DOMAIN} ${ALIASES} ${HTTPS_PORT}{{ ' ${PROXY_PORT}' if inception_proxy_protocol | bool }}{{ ' ${HTTP_PORT}' if __inception_has_http | bool }}{{ ' ${DOOR_PORT}' if __inception_challenge == 'tls-alpn-01' }} ${WORDPRESS_PORT}' <"/etc/nginx/inception/$file" >"/tmp/$file"
done
# A kernel without IPv6 has no such address.
[ -e /proc/net/if_inet6 ] || sed -i '/listen \[::\]/d' /tmp/nginx.conf

# The kernel writes an address as eight digits, the last byte first.
dotted() {
    printf '%d.%d.%d.%d' "0x${1#??????}" "0x$(echo "$1" | cut -c 5-6)" "0x$(echo "$1" | cut -c 3-4)" "0x${1%??????}"
}
# How many bits of a mask are set.
bits() {
    echo "$1" | sed -e 's/F/1111/g' -e 's/E/111/g' -e 's/C/11/g' -e 's/8/1/g' -e 's/0//g' | tr -d '\n' | wc -c
}
# The networks that this container is in (conf/bounds.conf).
while read -r _ destination _ _ _ _ _ mask _; do
    case $mask in
        Mask | 00000000) ;;
        *) echo "$(dotted "$destination")/$(bits "$mask") 1;" ;;
    esac
done </proc/net/route | sort -u >/tmp/own_networks.conf

if [ -e /run/secrets/gate_password ]; then
    gate </run/secrets/gate_password
fi

exec "$@"
