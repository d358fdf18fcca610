#!/bin/sh
# Whether NGINX takes its settings, is healthy with them, and shows the front page: one that answers everybody with an error takes its settings, too.
set -eu

nginx -e /dev/stderr -c /tmp/nginx.conf -t
# Beside the one that visitors come to: nothing leads to this one.
nginx -e /dev/stderr -c /tmp/nginx.conf
for _ in 1 2 3 4; do
    ! check 2>/dev/null || break
    sleep 1
done
check || { echo 'NGINX starts, and its health check fails.' >&2; exit 1; }

# What becomes of who asks for the front page: a number, when to come again if that is said, and what curl says.
front() {
    code=0
    told=$(curl --silent --insecure --location --max-redirs 9 --max-time 30 --output /dev/null --write-out '%{http_code} %header{retry-after}' \
        "$@" "https://$DOMAIN:$HTTPS_PORT/") || code=$?
    echo "$told $code"
}
present=$(front)
case $present in
    2??" "*" 0") ;;
    # Nobody is there, or it is not well: no measure.
    *) exit 0 ;;
esac
new=$(front --resolve "$DOMAIN:$HTTPS_PORT:127.0.0.1")
case $new in
    # WordPress is busy, or elsewhere from now on: NGINX leads to it.
    5??" "[0-9]*" "*) ;;
    # Not there, an error, led in a circle, or no answer at all.
    404" "* | 410" "* | 5??" "* | *" 47" | *" 52")
        echo "NGINX starts and is healthy, and the front page is gone: it answers ${new%% *} in place of ${present%% *} (curl's code ${new##* })." >&2
        exit 1
        ;;
esac
