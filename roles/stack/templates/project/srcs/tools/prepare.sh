#!/bin/sh
# Makes what the application needs before it starts, and only what is missing:
# the folders of the volumes, the secrets, the certificate, and the base image.
set -eu
umask 077

root=$(cd "$(dirname "$0")/../.." && pwd)
secrets="$root/secrets"

setting() {
    sed -n "s/^$1=//p" "$root/srcs/.env"
}

# A random value, complete or not there at all: written beside its place, then renamed.
secret() {
    [ -e "$secrets/$1.txt" ] && return
    LC_ALL=C tr -dc "$3" </dev/urandom | head -c "$2" >"$secrets/$1.new"
    chmod 400 "$secrets/$1.new"
    mv "$secrets/$1.new" "$secrets/$1.txt"
    echo "Made secrets/$1.txt"
}

data=$(setting DATA_DIR)
(umask 022 && mkdir -p "$data"{% for volume in __stack_volumes %} "$data/{{ volume }}"{% endfor %})
mkdir -p "$secrets"
{% for secret in __stack_secrets %}
secret {{ secret.name }} {{ secret.length }} {{ {'password': 'A-Za-z0-9', 'token': '0-9a-f'}[secret.kind] }}
{% endfor %}

# A certificate authority of this machine's own, and the site's certificate signed by it. Each is renamed when it is whole.
cd "$secrets"
if [ ! -e ca.crt ]; then
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key.new
    openssl req -x509 -new -key ca.key.new -days 3650 -subj "/CN=Inception of $(setting LOGIN)" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out ca.crt.new
    chmod 400 ca.key.new
    chmod 444 ca.crt.new
    mv -f ca.key.new ca.key
    mv -f ca.crt.new ca.crt
    echo "Made secrets/ca.crt"
fi
if [ ! -e tls.crt ]; then
    domain=$(setting DOMAIN)
    names=$(setting ALIASES | tr -d '"' | sed 's/[^ ][^ ]*/,DNS:&/g' | tr -d ' ')
    openssl ecparam -name prime256v1 -genkey -noout -out tls.key.new
    printf 'subjectAltName=DNS:%s%s\nextendedKeyUsage=serverAuth\n' "$domain" "$names" >tls.ext
    openssl req -new -key tls.key.new -subj "/CN=$domain" -out tls.csr
    openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -days 365 -extfile tls.ext -out tls.crt.new
    rm tls.ext tls.csr
    chmod 400 tls.key.new
    chmod 444 tls.crt.new
    mv -f tls.key.new tls.key
    mv -f tls.crt.new tls.crt
    echo "Made secrets/tls.crt for $domain"
fi

# A base image that came from no registry, or that this machine has renewed, is kept in an archive.
base={{ __stack_base_kept }}
if [ -e "$base" ] && ! docker image inspect {{ __stack_base_image }} >/dev/null 2>&1; then
    docker image load --input "$base"
fi
