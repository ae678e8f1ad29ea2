"""Images for the lab's hosts: Debian with systemd and sshd, made by mmdebstrap from Debian's own archive.

An image's tag is a hash of its recipe, so a changed recipe makes a new image and an unchanged one is never made twice.
What is in an image is the same for every lab: keys, names and addresses come with the container.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import paths, podman

Progress = Callable[[str], AbstractContextManager[None]]

# Stand-ins for the two mirrors in a recipe, so that the same recipe has the same name wherever it is made.
DEBIAN, SECURITY = "@DEBIAN@", "@SECURITY@"
MIRROR = "MSP_DEBIAN_MIRROR"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "python3-apt",
    "sudo",
    "iproute2",
    "ca-certificates",
)
USER = "msp"

# $1 is the new system's root. Each line is one mmdebstrap hook: a shell command run outside the chroot.
PATCH = 'chroot "$1" env DEBIAN_FRONTEND=noninteractive apt-get -qy dist-upgrade'
PREPARE = (
    f'chroot "$1" useradd --create-home --shell /bin/bash {USER}',
    f'echo \'{USER} ALL=(ALL:ALL) NOPASSWD: ALL\' >"$1/etc/sudoers.d/{USER}" && chmod 0440 "$1/etc/sudoers.d/{USER}"',
    # Keys only, no root, and the authorised key comes with the container, where the user can't change it.
    'mkdir -p "$1/etc/ssh/authorized_keys.d" "$1/etc/ssh/sshd_config.d"',
    "printf '%s\\n' 'PasswordAuthentication no' 'PermitRootLogin no' 'UseDNS no' "
    "'AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u' >\"$1/etc/ssh/sshd_config.d/lab.conf\"",
    # Every host makes host keys and a machine id of its own at its first boot.
    'rm -f "$1"/etc/ssh/ssh_host_* "$1/var/lib/dbus/machine-id" && : >"$1/etc/machine-id"',
    'ln -s /etc/machine-id "$1/var/lib/dbus/machine-id"',
    'mkdir -p "$1/etc/systemd/system/ssh.service.d"',
    "printf '%s\\n' '[Service]' 'ExecStartPre=' 'ExecStartPre=/usr/bin/ssh-keygen -A' 'ExecStartPre=/usr/sbin/sshd -t' "
    '>"$1/etc/systemd/system/ssh.service.d/host-keys.conf"',
    # The daily timers would change what is pending behind a test's back.
    'chroot "$1" systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer',
)


@dataclass(frozen=True)
class Recipe:
    """What goes into an image: a release, and then Debian's updates, as a host gets them in its life.

    So its logs tell of a day on which it was patched. `behind`: the updates are known but not applied. `also`: more
    packages of Debian's.
    """

    name: str
    suite: str
    title: str
    behind: bool = False
    also: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The lines of sources.list that the running host has."""
        return (
            f"deb {DEBIAN} {self.suite} main",
            f"deb {DEBIAN} {self.suite}-updates main",
            f"deb {SECURITY} {self.suite}-security main",
        )

    @property
    def command(self) -> tuple[str, ...]:
        """mmdebstrap's arguments, all but the file to write."""
        lines = " ".join(f"'{line}'" for line in self.sources)
        know = (f"printf '%s\\n' {lines} >\"$1/etc/apt/sources.list\"", 'chroot "$1" apt-get -q update')
        # Patched first: an update may make again what is then taken away (the keys of sshd).
        hooks = (*know, *(() if self.behind else (PATCH,)), *PREPARE)
        return (
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join((*PACKAGES, *self.also))}",
            "--aptopt=Acquire::Languages none",
            # An image that was not finished is thrown away: no need to wait for the disk after each package.
            "--dpkgopt=force-unsafe-io",
            # Lists and logs stay: what is pending and what was installed when is what an audit asks.
            "--skip=cleanup/apt/lists,cleanup/reproducible",
            *(f"--customize-hook={hook}" for hook in hooks),
            self.suite,
            "TARGET",
            self.sources[0],
        )

    @property
    def tag(self) -> str:
        # A field that came later and says nothing is left out: an image that is the same keeps its name.
        fields = {name: value for name, value in asdict(self).items() if value or name != "also"}
        digest = hashlib.sha256(json.dumps([fields, self.command]).encode()).hexdigest()[:12]
        return f"localhost/msp-lab-{self.name}:{digest}"

    @property
    def current(self) -> str:
        """The name that does not change with the recipe, for files that can't compute a hash (molecule's)."""
        return f"{self.tag.rpartition(':')[0]}:current"


DEBIAN_11 = Recipe("debian11", "bullseye", "Debian 11")
DEBIAN_12 = Recipe("debian12", "bookworm", "Debian 12")
DEBIAN_12_BEHIND = Recipe("debian12-behind", "bookworm", "Debian 12 with pending updates", behind=True)
# One release has needrestart, so that both ways to find services with old code are met with.
DEBIAN_13 = Recipe("debian13", "trixie", "Debian 13", also=("needrestart",))
RECIPES = (DEBIAN_11, DEBIAN_12, DEBIAN_12_BEHIND, DEBIAN_13)
# A real dnf 4, and what builds packages and repositories for it: 4.14 as RHEL 9 has, and 4.23. Debian has no dnf 5.
WITH_DNF = ("dnf", "dnf-plugins-core", "rpm", "createrepo-c")
DEBIAN_12_DNF = Recipe("debian12-dnf", "bookworm", "Debian 12 with dnf", also=WITH_DNF)
DEBIAN_13_DNF = Recipe("debian13-dnf", "trixie", "Debian 13 with dnf", also=WITH_DNF)


@dataclass(frozen=True)
class Mirrors:
    """Where Debian's packages and its security updates come from."""

    debian: str
    security: str

    def fill(self, text: str) -> str:
        return text.replace(DEBIAN, self.debian).replace(SECURITY, self.security)


def mirrors_in(sites: Iterable[str]) -> Mirrors | None:
    """Debian's mirrors among the addresses that apt knows; the security archive lies beside the other by custom."""
    known = [site.strip().rstrip("/") for site in sites]
    debian = next((site for site in known if site.endswith("/debian")), None)
    if debian is None:
        return None
    security = next((site for site in known if site.endswith("/debian-security")), f"{debian}-security")
    return Mirrors(debian, security)


def mirrors() -> Mirrors | None:
    """The mirrors to make images from: MSP_DEBIAN_MIRROR, else those that this machine's own apt uses."""
    if given := os.environ.get(MIRROR):
        return mirrors_in([given])
    if not shutil.which("apt-get"):
        return None
    asked = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    return mirrors_in(subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines())


def no_mirror() -> str | None:
    """Why there is nowhere to make images from, as a sentence for a person; None where there is."""
    if mirrors():
        return None
    return (
        "The hosts are made from Debian's archive, and this machine's apt knows no mirror of it "
        f"(an address that ends in /debian): set {MIRROR} to one."
    )


def ensure(recipes: Iterable[Recipe], progress: Progress) -> None:
    """Make the images that are not there yet, two at a time; others that start a lab meanwhile wait for them."""
    wanted = sorted(set(recipes), key=lambda recipe: recipe.name)
    if not missing(wanted):
        return
    with locked("images"):
        todo = missing(wanted)
        if not todo:
            return
        titles = ", ".join(recipe.title for recipe in todo)
        title = f"making the hosts' images from Debian's archive, once: {titles}"
        with progress(title), ThreadPoolExecutor(2) as pool:
            list(pool.map(make, todo))
        forget_older(wanted)


def name_current(recipes: Iterable[Recipe]) -> None:
    """Point the unchanging names at the images of this version of the recipes."""
    for recipe in recipes:
        podman.run("tag", recipe.tag, recipe.current)


def missing(recipes: Iterable[Recipe]) -> list[Recipe]:
    return [recipe for recipe in recipes if podman.attempt("image", "exists", recipe.tag).returncode]


def make(recipe: Recipe) -> None:
    """Run one recipe and hand the result to podman, which keeps it; the archive file is not needed after that."""
    archive = directory() / f"{recipe.tag.rpartition('/')[2].replace(':', '-')}.tar"
    try:
        bootstrap(recipe.command, recipe.title, archive)
        podman.run("import", "--quiet", str(archive), recipe.tag)
    finally:
        archive.unlink(missing_ok=True)


def directory() -> Path:
    """Where images are made."""
    found = paths.cache() / "images"
    paths.make_dir(found, 0o755)  # apt fetches as a user of its own, who must get through
    return found


def bootstrap(command: Sequence[str], title: str, target: Path) -> None:
    """Run mmdebstrap's command of a recipe for a file or directory; its words stay beside that as a log."""
    log = target.with_suffix(".log")
    source = mirrors()
    if source is None:
        raise MspError("MSP-LAB-035", "a mirror of Debian's archive", "none", f"set {MIRROR} to one")
    with log.open("w", encoding="utf-8") as stream:
        status = subprocess.run(
            [str(target) if part == "TARGET" else source.fill(part) for part in command],
            # The hosts are in UTC, and the first lines of their logs are written by this machine's apt.
            env={**os.environ, "TMPDIR": str(target.parent), "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            check=False,
        ).returncode
    if status:
        raise MspError(
            "MSP-LAB-031",
            f"mmdebstrap to make an image of {title} from {source.debian}",
            f"exit status {status}: {podman.last_line(log.read_text(encoding='utf-8', errors='replace'))}",
            f"read {log}; without the network use ./msp lab up --no-hosts",
        )


def forget_older(recipes: Iterable[Recipe]) -> None:
    """Remove what earlier versions of these recipes made; one that a running lab still uses stays."""
    for recipe in recipes:
        repository = recipe.tag.rpartition(":")[0]
        for tag in podman.run("images", "--format", "{{.Repository}}:{{.Tag}}", repository).split():
            if tag not in (recipe.tag, recipe.current):
                podman.attempt("rmi", tag)


@contextmanager
def locked(what: str) -> Iterator[None]:
    """One at a time on this machine, whichever lab it is for; the lock ends with the process."""
    with (paths.cache() / f"{what}.lock").open("w", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
