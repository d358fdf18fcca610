#!/bin/bash
# Whether the proxy takes connections. That no member answers is no fault of it.
set -eu

exec 3<>"/dev/tcp/127.0.0.1/$MARIADB_PORT"
