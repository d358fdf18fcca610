#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# build.sh ARCHIVE PARTIAL REFRESH MMDEBSTRAP-ARGUMENT...: mmdebstrap makes PARTIAL, which is renamed to ARCHIVE, so that what is in the cache is whole.
# Who wants the same archive meanwhile waits and takes it. Says "built" when it was built here.
set -eu
# Whatever the user's: services in the tree run as users of their own.
umask 022

archive=$1 partial=$2 refresh=$3
shift 3

began=$(date +%s)
exec 9>"$archive.lock"
flock 9
# One that was built while this waited is as new as it gets.
if [ -e "$archive" ] && { [ "$refresh" = False ] || [ "$(stat -c %Y "$archive")" -ge "$began" ]; }; then
    exit 0
fi
mmdebstrap "$@"
mv "$partial" "$archive"
echo built
