# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Runs outside the new tree ($1) after the packages came: makes it a machine, then a disk image.
set -eu
tree=$1

# Nothing of the machine that built it, and nothing that two guests must not share: each makes its own at first boot.
# sshd-keygen.service makes the host keys.
rm -f "$tree"/etc/ssh/ssh_host_* "$tree/etc/hostname" "$tree/etc/machine-id" "$tree/var/lib/dbus/machine-id" \
  "$tree/var/lib/systemd/random-seed"
echo uninitialized > "$tree/etc/machine-id"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' > "$tree/etc/hosts"
echo '/dev/vda / ext4 defaults,noatime,discard,x-systemd.growfs 0 1' > "$tree/etc/fstab"

install -d "$tree/etc/systemd/network" "$tree/etc/systemd/resolved.conf.d" "$tree/etc/ssh/sshd_config.d"
cat > "$tree/etc/systemd/network/80-guest.network" <<'END'
[Match]
Name=eth0
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
END
printf '[Resolve]\nLLMNR=no\nMulticastDNS=no\n' > "$tree/etc/systemd/resolved.conf.d/guest.conf"
printf '%s\n' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' 'UseDNS no' > "$tree/etc/ssh/sshd_config.d/guest.conf"
# Profiles that confine nothing only give a program a name, for kernels where none without one may make namespaces, which Debian's is not.
# An emulated processor would compile those 76 at the first boot, for half a minute.
grep -l 'flags=(unconfined)' "$tree"/etc/apparmor.d/* 2>/dev/null | while read -r profile; do
  ln -s "../${profile##*/}" "$tree/etc/apparmor.d/disable/${profile##*/}"
done
chroot "$tree" systemctl enable --quiet systemd-networkd.service systemd-resolved.service ssh.service
rm -rf "$tree"/var/cache/apt/*.bin "$tree"/var/log/*.log "$tree"/var/log/apt

# The kernel and the file system, made aside, then moved to where "download" finds them.
aside=$tree.image
view=$aside/view
trap 'umount "$view" 2>/dev/null || true; rm -rf --one-file-system "$aside"' EXIT
mkdir -p "$view"
cat "$tree"/boot/vmlinuz-* > "$aside/vmlinuz"
cat "$tree"/boot/initrd.img-* > "$aside/initrd"
truncate -s 4G "$aside/root.raw"
# A second view of the tree, in which /proc, /sys and /dev are not mounted.
mount --bind "$tree" "$view"
mke2fs -q -F -t ext4 -m 1 -L root -d "$view" "$aside/root.raw"
umount "$view"
qemu-img convert -f raw -O qcow2 "$aside/root.raw" "$aside/root.qcow2"
rm "$aside/root.raw"
mv "$aside" "$tree/.image"
