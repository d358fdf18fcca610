#!/bin/sh
# Opens the socket for nginx's visits and becomes GoAccess, which reads them as its standard input.
set -eu
# A container's first process gets no signal that it does not ask for: told to stop, it would get ready first, and then run on until it is killed.
trap 'exit 143' QUIT TERM
umask 077

mkdir -p /var/lib/analytics/counts
exec socat UNIX-RECV:/var/lib/analytics/visits.sock,unlink-early EXEC:"$*",nofork
