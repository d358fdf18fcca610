# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Runs outside the new tree ($1) before the packages come: an initrd with just what finds the root disk boots faster.
set -eu
install -d "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d" "$1/etc/network"
echo 'MODULES=list' > "$1/etc/initramfs-tools/conf.d/fortytwo"
printf '%s\n' virtio_pci virtio_blk ext4 > "$1/usr/share/initramfs-tools/modules.d/fortytwo"
