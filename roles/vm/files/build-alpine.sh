#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes a guest of Alpine out of its smallest root file system:  build-alpine.sh FOLDER ARCHIVE MIRROR RELEASE PACKAGE...
# FOLDER then holds root.qcow2, vmlinuz and initrd.
set -eu
umask 022

# Root in a namespace of its own: whoever is it here needs no rights on this computer, and no mount outlives it.
if [ "${BUILD_ALPINE_INSIDE-}" != yes ]; then
  export BUILD_ALPINE_INSIDE=yes
  if [ "$(id -u)" -eq 0 ]; then
    exec unshare --mount --pid --fork --kill-child sh "$0" "$@"
  fi
  exec unshare --mount --pid --fork --kill-child --map-root-user --map-auto sh "$0" "$@"
fi

export PATH="$PATH:/usr/sbin:/sbin"
folder=$1
archive=$2
mirror=$3
release=$4
shift 4
aside=$(mktemp -d /var/tmp/alpine-image.XXXXXX)
trap 'rm -rf --one-file-system "$aside"' EXIT
trap 'exit 1' HUP INT TERM
tree=$aside/tree
mkdir "$tree"
tar -C "$tree" -xzf "$archive"

mount -t proc proc "$tree/proc"
mount -t tmpfs tmpfs "$tree/dev"
for device in null zero full random urandom; do
  : > "$tree/dev/$device"
  mount --bind "/dev/$device" "$tree/dev/$device"
done
cat /etc/resolv.conf > "$tree/etc/resolv.conf"
printf '%s\n' "$mirror/v$release/main" "$mirror/v$release/community" > "$tree/etc/apk/repositories"
chroot "$tree" apk add --no-cache --quiet linux-virt mkinitfs "$@"
# QEMU goes on with the kernel of now: a newer package would take its modules away, and the next boot had no network.
kernel=$(chroot "$tree" apk list --installed linux-virt | sed -n 's/^linux-virt-\([^ ]*\) .*/\1/p')
sed -i "s/^linux-virt$/linux-virt=$kernel/" "$tree/etc/apk/world"
# As a fresh installation has it.
printf '%s\n' "$mirror/v$release/main" "#$mirror/v$release/community" > "$tree/etc/apk/repositories"

# Just what finds the root disk boots faster.
echo 'features="base ext4 virtio"' > "$tree/etc/mkinitfs/mkinitfs.conf"
chroot "$tree" mkinitfs -o /boot/initramfs-virt "$(basename "$tree"/lib/modules/*)"

echo '/dev/vda / ext4 defaults,noatime,discard 0 1' > "$tree/etc/fstab"
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' > "$tree/etc/hosts"
printf 'auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n' > "$tree/etc/network/interfaces"
# udhcpc wants packets, the power button its driver.
printf '%s\n' af_packet virtio_net virtio_rng button >> "$tree/etc/modules"
sed -i 's/^tty/#tty/' "$tree/etc/inittab"
# A whole machine, whatever the archive was made for.
sed -i 's/^rc_sys=.*/rc_sys=""/' "$tree/etc/rc.conf"
sed -i 's/^root:[^:]*:/root:*:/' "$tree/etc/shadow"
mkdir -p "$tree/etc/ssh/sshd_config.d"
printf '%s\n' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' 'UseDNS no' > "$tree/etc/ssh/sshd_config.d/guest.conf"
# Each guest makes its own.
rm -f "$tree"/etc/ssh/ssh_host_* "$tree/etc/hostname"

# The name and the key come with the kernel's command line, by the words that systemd knows.
cat > "$tree/etc/init.d/guest" << 'END'
#!/sbin/openrc-run
description="The name and the key that the kernel's command line brings, and the disk in its whole size"

depend() {
  need root
  before hostname networking bootmisc sshd
}

start() {
  for word in $(cat /proc/cmdline); do
    case $word in
      systemd.hostname=*) echo "${word#*=}" > /etc/hostname ;;
      systemd.set_credential_binary=ssh.authorized_keys.root:*)
        mkdir -p -m 0700 /root/.ssh
        echo "${word##*:}" | base64 -d > /root/.ssh/authorized_keys
        ;;
    esac
  done
  resize2fs /dev/vda
}
END
chmod 0755 "$tree/etc/init.d/guest"

# on RUNLEVEL SERVICE...: those that this release has.
on() {
  level=$1
  shift
  mkdir -p "$tree/etc/runlevels/$level"
  for service in "$@"; do
    [ ! -e "$tree/etc/init.d/$service" ] || ln -sf "/etc/init.d/$service" "$tree/etc/runlevels/$level/$service"
  done
}
on sysinit devfs dmesg mdev hwdrivers
on boot fsck root localmount modules sysctl hostname bootmisc syslog hwclock seedrng networking guest
on default sshd acpid
on shutdown killprocs mount-ro savecache

umount -R "$tree/dev" "$tree/proc"
cat "$tree/boot/vmlinuz-virt" > "$folder/vmlinuz"
cat "$tree/boot/initramfs-virt" > "$folder/initrd"
truncate -s 4G "$aside/root.raw"
mke2fs -q -F -t ext4 -m 1 -L root -d "$tree" "$aside/root.raw"
qemu-img convert -f raw -O qcow2 "$aside/root.raw" "$folder/root.qcow2"
