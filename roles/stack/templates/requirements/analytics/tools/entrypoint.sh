#!/bin/sh
# Opens the socket for nginx's visits and becomes GoAccess, which reads them as its standard input.
set -eu
umask 077

mkdir -p /var/lib/analytics/counts
exec socat UNIX-RECV:/var/lib/analytics/visits.sock,unlink-early EXEC:"$*",nofork
