"""Which system packages the lab uses, which are missing here, and how they get installed.

Installs only as root on Debian or Ubuntu, after saying what; elsewhere it says the command and what goes without.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab.locks import Progress


@dataclass(frozen=True)
class Package:
    """A system package, a program or file by which its presence is known, and what cannot be done without it.

    service: the system service that comes with the program. The lab starts its own and wants none on this machine.
    """

    name: str
    program: str
    purpose: str
    service: str | None = None


HOSTS = "real hosts to audit (without it the controller alone is audited)"
MACHINE = "a virtual machine, on which a kernel is really changed (tests of reboots)"
KERBEROS = "tests of single sign-on with real tickets"
PACKAGES = (
    Package("podman", "podman", HOSTS),
    # podman's network, which it only recommends and this installs no recommendations.
    Package("containernetworking-plugins", "/usr/lib/cni/bridge", HOSTS),
    Package("iptables", "iptables", HOSTS),
    Package("runc", "runc", HOSTS),
    Package("mmdebstrap", "mmdebstrap", HOSTS),
    Package("debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg", HOSTS),
    Package("openssh-client", "ssh", HOSTS),
    Package("nmap", "nmap", "scans of the lab's networks"),
    Package("slapd", "/usr/sbin/slapd", "tests that read a real directory", service="slapd"),
    Package("krb5-kdc", "/usr/sbin/krb5kdc", KERBEROS, service="krb5-kdc"),
    Package("krb5-admin-server", "/usr/sbin/kadmin.local", KERBEROS, service="krb5-admin-server"),
    Package("krb5-user", "kinit", KERBEROS),
    Package("chromium", "chromium", "tests that open a report in a browser"),
    Package("git", "git", "checks of what is committed"),
    Package("qemu-system-x86", "qemu-system-x86_64", MACHINE),
    Package("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd", MACHINE),
    Package("fdisk", "sfdisk", MACHINE),
    Package("dosfstools", "mkfs.vfat", MACHINE),
    Package("mtools", "mcopy", MACHINE),
    Package("e2fsprogs", "mke2fs", MACHINE),
    Package("cryptsetup-bin", "cryptsetup", "tests of the keys of encrypted volumes"),
)
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_MARK = "msp.ops lab: it starts its services itself"
FOR_MACHINE = tuple(package for package in PACKAGES if package.purpose == MACHINE)
FOR_HOSTS = tuple(package for package in PACKAGES if package.purpose == HOSTS)


def find(program: str) -> str | None:
    """Where a program on the PATH is, or a file given by its whole path."""
    path = Path(program)
    return (program if path.exists() else None) if path.is_absolute() else shutil.which(program)


def missing(packages: Iterable[Package] = PACKAGES, which: Callable[[str], str | None] = find) -> list[Package]:
    """The packages of which nothing is found."""
    return [package for package in packages if which(package.program) is None]


def install_command(packages: Sequence[Package]) -> list[str]:
    return ["apt-get", "install", "--yes", "--no-install-recommends", *(package.name for package in packages)]


def is_debian_family(os_release: str) -> bool:
    """Whether /etc/os-release describes Debian, Ubuntu or a derivative."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    words = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split()
    return "debian" in words or "ubuntu" in words


def can_install() -> bool:
    release = Path("/etc/os-release")
    return os.geteuid() == 0 and release.exists() and is_debian_family(release.read_text()) and bool(apt_get())


def apt_get() -> str | None:
    return shutil.which("apt-get")


def ensure(progress: Progress, packages: Iterable[Package] = PACKAGES) -> list[Package]:
    """Install what is missing where that is allowed; return what is still missing, after saying what that means."""
    wanted = missing(packages)
    if wanted and can_install():
        with progress(f"installing system packages: {' '.join(package.name for package in wanted)}"):
            problems = install(wanted)
        print(*(f"msp: {problem}" for problem in problems), sep="\n", end="\n" * bool(problems), file=sys.stderr)
        wanted = missing(wanted)
    for line in advice(wanted):
        print(line, file=sys.stderr)
    return wanted


def install(packages: Sequence[Package]) -> list[MspError]:
    """Install packages, one by one where they can't be had together; returns what went wrong.

    A first failure may be an old package list, so renew that once. One package that this distribution does not have
    must not keep the others away.
    """
    with no_services(packages):
        if _apt(install_command(packages)) is None:
            return []
        _apt(["apt-get", "update"])
        if _apt(install_command(packages)) is None:
            return []
        problems = [(package, _apt(install_command([package]))) for package in packages]
    return [
        MspError(
            "MSP-LAB-010",
            f"apt-get to install {package.name}",
            problem,
            f"run '{' '.join(install_command([package]))}' by hand and see what it says; the rest goes on without it",
        )
        for package, problem in problems
        if problem is not None
    ]


@contextlib.contextmanager
def no_services(packages: Iterable[Package]) -> Iterator[None]:
    """Keep the services of packages that are installed meanwhile from being started, now and at the next boot.

    Debian asks /usr/sbin/policy-rc.d before it starts a service. Ours forbids it only as long as this process lives,
    so that one left behind by a killed run forbids nothing; a policy of somebody else's stays as it is.
    """
    services = [package for package in packages if package.service]
    ours = bool(services) and (not POLICY.exists() or POLICY_MARK in POLICY.read_text(errors="replace"))
    if ours:
        POLICY.write_text(f"#!/bin/sh\n# {POLICY_MARK}\nkill -0 {os.getpid()} 2>/dev/null && exit 101\nexit 104\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
        for package in services:
            if find(package.program) and shutil.which("update-rc.d"):
                subprocess.run(["update-rc.d", str(package.service), "disable"], check=False, capture_output=True)


def _apt(command: Sequence[str]) -> str | None:
    """Run apt-get without questions; None when it succeeded, else its last words."""
    done = subprocess.run(
        [*command, "--quiet"],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
    )
    return None if done.returncode == 0 else "\n".join(done.stderr.strip().splitlines()[-3:])


def advice(packages: Sequence[Package]) -> list[str]:
    """What a person is told about packages that are missing and cannot be installed from here."""
    if not packages:
        return []
    lines = [f"msp: missing: {package.name}, needed for {package.purpose}" for package in packages]
    return [*lines, f"msp: to install them, as root: {' '.join(install_command(packages))}"]
