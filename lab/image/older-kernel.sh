#!/bin/sh
# Installs the stock kernel of an older Debian on the lab host's disk, beside its own: DISK DIRECTORY SOURCES, where SOURCES lists that
# Debian's archive. Leaves the kernel and its initrd in DIRECTORY, as vmlinuz and initrd. The mounts end with the namespace they are made in.
set -eu
disk=$1 directory=$2 sources=$3
export DEBIAN_FRONTEND=noninteractive
root=$directory/root
mkdir -p "$root"

mount -o loop "$disk" "$root"
trap 'umount --recursive "$root"' EXIT
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
cp -L "$sources" "$root/run/sources.list"
: >"$root/run/resolv.conf"
cp -L /etc/resolv.conf "$root/run/resolv.conf" || true
touch "$root/etc/resolv.conf"
mount --bind "$root/run/resolv.conf" "$root/etc/resolv.conf"

# Package lists of its own: those of the lab host's own release stay as they are.
mkdir -p "$root/run/lists/partial" "$root/run/archives/partial"
apt='-q -o Dir::Etc::SourceList=/run/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=/run/lists
  -o Dir::Cache=/run -o APT::Update::Error-Mode=any'
chroot "$root" apt-get $apt update
image=$(chroot "$root" apt-cache $apt -o Dir::State::Status=/dev/null depends linux-image-amd64 |
  sed -n 's/^  Depends: \(linux-image-[0-9].*\)$/\1/p')
chroot "$root" apt-get $apt install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "$image"

version=${image#linux-image-}
cp "$root/boot/vmlinuz-$version" "$directory/vmlinuz"
cp "$root/boot/initrd.img-$version" "$directory/initrd"
