#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the guest's image aside and renames it into place:  build-image.sh FOLDER MMDEBSTRAP-ARGUMENT...
#                                                        or  build-image.sh FOLDER --alpine ARGUMENT-OF-BUILD-ALPINE.SH...
# FOLDER then holds root.qcow2, vmlinuz and initrd. Prints "built" or "present". Several builds at once take turns.
set -eu
# Whatever the user's: services in the tree run as users of their own.
umask 022
folder=$1
shift

exec 9>"${folder%/*}/.build.lock"
flock 9
if [ -d "$folder" ]; then
  echo present
  exit 0
fi

# What a build that was killed left behind: the lock is ours, so nobody uses it.
rm -rf "${folder%/*}"/.build.*.d
aside=$(mktemp -d "${folder%/*}/.build.XXXXXX.d")
trap 'rm -rf "$aside"' EXIT
trap 'exit 1' HUP INT TERM

if [ "$1" = --alpine ]; then
  shift
  sh "${0%/*}/build-alpine.sh" "$aside" "$@"
else
  # The chroot stands in /var/tmp: a disk, not memory, and open to the subordinate users of a rootless build.
  TMPDIR=/var/tmp PATH="$PATH:/usr/sbin:/sbin" mmdebstrap "$@" \
    "--customize-hook=download /.image/root.qcow2 '$aside/root.qcow2'" \
    "--customize-hook=download /.image/vmlinuz '$aside/vmlinuz'" \
    "--customize-hook=download /.image/initrd '$aside/initrd'"
fi

for file in root.qcow2 vmlinuz initrd; do
  [ -s "$aside/$file" ]
  chmod 0444 "$aside/$file"
done
chmod 0755 "$aside"
mv "$aside" "$folder"
echo built
