# Makes a machine of Debian's bare system in the directory $1: a kernel, a boot loader, a network. Run by mmdebstrap.
#
# The kernel is the oldest that the archive has. The newest waits for it in a mirror of its own, which is its only
# source: so it can be given a newer kernel of Debian's without any network, and apt, slow without KVM, reads little.
# What encrypts disks waits there too.
set -eu
root="$1"
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
install() { inside apt-get -qy --no-install-recommends install "$@"; }

# The clock of the processor is right where there is one processor; to ask another device for the time is slow.
options='console=ttyS0 mitigations=off tsc=reliable 8250.nr_uarts=1'
# A first file system that finds the disk and no more: the usual one is made anew for each kernel by a thousand
# programs, one after the other, which takes minutes without KVM.
mkdir -p "$root/etc/tiny-initramfs" "$root/etc/default/grub.d"
printf '%s\n' MICROCODE=no AUTO_MODULES=no INCLUDE_MODULES=virtio_pci,virtio_blk \
    >"$root/etc/tiny-initramfs/tiny-initramfs.conf"
printf '%s\n' GRUB_TIMEOUT=0 GRUB_TERMINAL=console GRUB_CMDLINE_LINUX_DEFAULT=quiet \
    "GRUB_CMDLINE_LINUX=\"$options\"" >"$root/etc/default/grub.d/lab.cfg"
printf 'UUID=%s / ext4 defaults 0 1\n' "$ROOT_UUID" >"$root/etc/fstab"

# The network of QEMU, whose addresses are always these.
printf '%s\n' '[Match]' 'Name=en*' '[Network]' 'Address=10.0.2.15/24' 'Gateway=10.0.2.2' 'IPv6AcceptRA=no' \
    'LinkLocalAddressing=no' >"$root/etc/systemd/network/lab.network"
inside systemctl enable --quiet systemd-networkd.service
# What nobody asks for here, and what takes seconds of each boot.
inside systemctl mask --quiet systemd-networkd-wait-online.service e2scrub_reap.service e2scrub_all.timer fstrim.timer \
    systemd-binfmt.service systemd-fsckd.service systemd-fsckd.socket proc-sys-fs-binfmt_misc.automount \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service sys-fs-fuse-connections.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount \
    modprobe@drm.service modprobe@fuse.service modprobe@efi_pstore.service
# The one host key comes with the machine: to make others takes seconds without KVM.
rm -r "$root/etc/systemd/system/ssh.service.d"
echo 'HostKey /etc/ssh/ssh_host_ed25519_key' >>"$root/etc/ssh/sshd_config.d/lab.conf"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/lab"

install udev tiny-initramfs
kernels=$(inside apt-cache search --names-only '^linux-image-[0-9.]+-[0-9]+-cloud-amd64$' | cut -d' ' -f1 | sort -V)
older=$(printf '%s\n' "$kernels" | head -n 1)
newest=$(printf '%s\n' "$kernels" | tail -n 1)
install "$older"
inside apt-get -q clean
if [ "$older" != "$newest" ]; then
    # Of the package that always names the newest kernel an archive has one version only: the one that this machine had
    # in its day is made again.
    version=$(inside dpkg-query --show --showformat='${Version}' "$older")
    mkdir -p "$root/tmp/made/DEBIAN"
    printf '%s\n' 'Package: linux-image-cloud-amd64' "Version: $version" 'Architecture: amd64' 'Section: kernel' \
        'Maintainer: Example IT <packages@example.com>' 'Priority: optional' "Depends: $older (= $version)" \
        'Description: made for the lab' >"$root/tmp/made/DEBIAN/control"
    inside dpkg-deb --root-owner-group --build /tmp/made /tmp/made.deb
    inside dpkg --install /tmp/made.deb
    rm -r "$root/tmp/made" "$root/tmp/made.deb"
    inside apt-get -qy --no-install-recommends --download-only install linux-image-cloud-amd64
fi

inside apt-get -qy --no-install-recommends --download-only install cryptsetup-bin

# After the kernel, whose scripts would ask the boot loader for a disk that is not there yet. The first menu is written
# here; the next kernel writes the whole one, with Debian's own script.
install grub2-common grub-efi-amd64-signed
release=${older#linux-image-}
mkdir -p "$root/boot/grub"
printf '%s\n' "search --no-floppy --fs-uuid --set=root $ROOT_UUID" \
    "linux /boot/vmlinuz-$release root=UUID=$ROOT_UUID ro $options quiet" \
    "initrd /boot/initrd.img-$release" boot >"$root/boot/grub/grub.cfg"

# The mirror. Its packages have Debian's content, packed again without compression: to unpack xz takes half a minute.
mkdir -p "$root/srv/debian"
: >"$root/srv/debian/Packages"
cd "$root/var/cache/apt/archives"
for file in linux-image-*.deb cryptsetup-bin_*.deb libpopt0_*.deb; do
    [ -e "$file" ] || continue
    # %3a is the colon of a version; in an address of a repository it would be read as one.
    name=$(printf '%s' "$file" | tr -d %)
    inside dpkg-deb --raw-extract "/var/cache/apt/archives/$file" /tmp/unpacked
    inside dpkg-deb -Znone --build /tmp/unpacked "/srv/debian/$name"
    rm -r "$root/tmp/unpacked" "$file"
    {
        inside dpkg-deb --field "/srv/debian/$name"
        printf 'Filename: ./%s\nSize: %s\n' "$name" "$(stat --format=%s "$root/srv/debian/$name")"
        printf 'SHA256: %s\n\n' "$(sha256sum "$root/srv/debian/$name" | cut -d' ' -f1)"
    } >>"$root/srv/debian/Packages"
done
sum=$(sha256sum "$root/srv/debian/Packages" | cut -d' ' -f1)
printf '%s\n' 'Origin: Debian' 'Label: Debian' 'Suite: stable' 'Codename: bookworm' "Date: $(date -Ru)" 'SHA256:' \
    " $sum $(stat --format=%s "$root/srv/debian/Packages") Packages" >"$root/srv/debian/Release"
echo 'deb [trusted=yes] file:/srv/debian ./' >"$root/etc/apt/sources.list"
inside apt-get -q update

# What makes it this machine and no other comes with it.
rm -f "$root/etc/hostname" "$root/etc/hosts" "$root/etc/machine-id"
