#!/bin/sh
# Healthy is a php-fpm that answers. And each check is the tick of WordPress's clock: what is due is begun, such as to publish a post.
set -eu

export REQUEST_METHOD=GET

SCRIPT_NAME=/ping SCRIPT_FILENAME=/ping cgi-fcgi -bind -connect "$(cat /tmp/listen)" | grep -q pong

# Where another service is, for a time when Docker's name server is away (conf/wp-config.php).
note() {
    address=$(getent ahostsv4 "$1" | sed -n '1s/[^0-9.].*//p')
    if [ -n "$address" ] && [ "$address" != "$(cat "/tmp/known.$1" 2>/dev/null)" ]; then
        printf '%s' "$address" >"/tmp/known.$1.new"
        mv "/tmp/known.$1.new" "/tmp/known.$1"
    fi
}
note mariadb
{% if 'redis' in inception_bonus_services %}
note redis
{% endif %}

# It answers before it works, so the check waits for nothing; and WordPress's own lock keeps it to one at a time. Two that hang are no reason to be ill.
# KILL: asked to end, cgi-fcgi ends well, and busybox's timeout says what its program says.
SCRIPT_NAME=/wp-cron.php SCRIPT_FILENAME=/var/www/html/wp-cron.php timeout -s KILL 10 cgi-fcgi -bind -connect /tmp/clock.sock >/dev/null ||
    echo "What WordPress's clock began hangs: nothing more is begun before it ends, or is ended after 15 minutes."
