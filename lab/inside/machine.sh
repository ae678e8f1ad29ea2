# Makes a machine of Debian's bare system in the directory $1: a kernel, a boot loader, a network. Run by mmdebstrap.
#
# The kernel is the oldest that the archive has, and the newest waits for it: the package lists know it and its files
# are in apt's cache. So the machine can be given a newer kernel of Debian's without any network.
set -eu
root="$1"
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
install() { inside apt-get -qy --no-install-recommends install "$@"; }

# What the kernel finds its disk with, and nothing else: a first file system of everything takes minutes without KVM.
mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/default/grub.d"
printf '%s\n' MODULES=list COMPRESS=zstd COMPRESSLEVEL=1 >"$root/etc/initramfs-tools/conf.d/lab"
printf '%s\n' virtio_pci virtio_blk ext4 >"$root/etc/initramfs-tools/modules"
printf '%s\n' GRUB_TIMEOUT=0 GRUB_TERMINAL=console GRUB_CMDLINE_LINUX_DEFAULT=quiet \
    'GRUB_CMDLINE_LINUX="console=ttyS0 mitigations=off"' >"$root/etc/default/grub.d/lab.cfg"
printf 'UUID=%s / ext4 defaults 0 1\n' "$ROOT_UUID" >"$root/etc/fstab"

# The network of QEMU, whose addresses are always these.
printf '%s\n' '[Match]' 'Name=en*' '[Network]' 'Address=10.0.2.15/24' 'Gateway=10.0.2.2' 'IPv6AcceptRA=no' \
    'LinkLocalAddressing=no' >"$root/etc/systemd/network/lab.network"
inside systemctl enable --quiet systemd-networkd.service
inside systemctl mask --quiet systemd-networkd-wait-online.service
# The one host key comes with the machine: to make others takes seconds without KVM.
rm -r "$root/etc/systemd/system/ssh.service.d"
echo 'HostKey /etc/ssh/ssh_host_ed25519_key' >>"$root/etc/ssh/sshd_config.d/lab.conf"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/lab"

inside apt-get -q clean
install initramfs-tools zstd
kernels=$(inside apt-cache search --names-only '^linux-image-[0-9.]+-[0-9]+-cloud-amd64$' | cut -d' ' -f1 | sort -V)
older=$(printf '%s\n' "$kernels" | head -n 1)
newest=$(printf '%s\n' "$kernels" | tail -n 1)
install "$older"
if [ "$older" != "$newest" ]; then
    # The archive keeps old kernels but of the package that always names the newest one only the newest: the machine
    # gets the one that it had in its day, made again.
    version=$(inside dpkg-query --show --showformat='${Version}' "$older")
    mkdir -p "$root/tmp/made/DEBIAN"
    printf '%s\n' 'Package: linux-image-cloud-amd64' "Version: $version" 'Architecture: amd64' 'Source: linux-signed-amd64' \
        'Maintainer: Example IT <packages@example.com>' 'Section: kernel' 'Priority: optional' \
        "Depends: $older (= $version)" 'Description: made for the lab' >"$root/tmp/made/DEBIAN/control"
    inside dpkg-deb --root-owner-group --build /tmp/made /tmp/made.deb
    inside dpkg --install /tmp/made.deb
    rm -r "$root/tmp/made" "$root/tmp/made.deb"
    inside apt-get -q clean
    inside apt-get -qy --no-install-recommends --download-only install linux-image-cloud-amd64
else
    install linux-image-cloud-amd64
    inside apt-get -q clean
fi

# After the kernel, whose scripts would ask the boot loader for a disk that is not there yet. The first menu is written
# here; the next kernel writes the whole one, with Debian's own script.
install grub2-common grub-efi-amd64-signed
release=${older#linux-image-}
mkdir -p "$root/boot/grub"
printf '%s\n' "search --no-floppy --fs-uuid --set=root $ROOT_UUID" \
    "linux /boot/vmlinuz-$release root=UUID=$ROOT_UUID ro console=ttyS0 mitigations=off quiet" \
    "initrd /boot/initrd.img-$release" boot >"$root/boot/grub/grub.cfg"

# What makes it this machine and no other comes with it.
rm -f "$root/etc/hostname" "$root/etc/hosts" "$root/etc/machine-id"
