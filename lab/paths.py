"""Where the lab keeps what: one cache directory for the machine's user, one directory for each lab in it.

Never changes the mode of a directory it did not make: a home directory stays as closed as its owner left it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# sun_path of a Unix socket holds 108 bytes, the last one a zero.
SOCKET_PATH_LIMIT = 107
# A file system in memory, on Linux.
MEMORY = Path("/dev/shm")  # noqa: S108 - memory() takes a directory of our own there, or none
# What a lab's databases may come to in bytes, snapshots and write-ahead log included, with room for others to work.
ROOM = 4 * 1024**3
# As root a lab's own directory must let the user of PostgreSQL through to its data.
_LAB_MODE = 0o711 if os.geteuid() == 0 else 0o700


def cache_dir(environ: Mapping[str, str], *, root: bool) -> Path:
    """The directory for everything of the lab that can be made again.

    Root's own home is usually closed to others, and PostgreSQL refuses to run as root: so root's cache lies where
    another user can reach it.
    """
    if chosen := environ.get("MSP_CACHE"):
        return Path(chosen).absolute()
    if root:
        return Path("/var/cache/msp.ops")
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ["HOME"]) / ".cache")
    return Path(base).absolute() / "msp.ops"


def cache() -> Path:
    """The cache directory of whoever runs this, made when absent (0755 for root: another user must get through)."""
    path = cache_dir(os.environ, root=os.geteuid() == 0)
    make_dir(path, 0o755 if os.geteuid() == 0 else 0o700)
    return path


@dataclass(frozen=True)
class LabPaths:
    """Every file of one lab. What others may not read lies in a directory of mode 0700 or is a file of mode 0600."""

    name: str
    base: Path

    @property
    def state(self) -> Path:
        return self.base / "state.json"

    @property
    def env(self) -> Path:
        """Shell assignments of NETBOX_API and NETBOX_TOKEN."""
        return self.base / "env"

    @property
    def secrets(self) -> Path:
        return self.base / "secrets"

    @property
    def admin_password(self) -> Path:
        return self.secrets / "admin_password"

    @property
    def token(self) -> Path:
        return self.secrets / "token"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data, and its socket: whoever may enter it may connect, nobody else."""
        return self.base / "postgres"

    @property
    def redis(self) -> Path:
        return self.base / "redis"

    @property
    def redis_socket(self) -> Path:
        return self.redis / "socket"

    @property
    def netbox(self) -> Path:
        """NETBOX_ROOT: configuration, media, scripts."""
        return self.base / "netbox"

    @property
    def hosts(self) -> Path:
        return self.base / "hosts"

    @property
    def logs(self) -> Path:
        return self.base / "log"

    def make(self) -> None:
        """Make the directories."""
        make_dir(self.base, _LAB_MODE)
        for path in (self.secrets, self.redis, self.netbox, self.hosts, self.logs):
            make_dir(path, 0o700)

    def data_in_memory(self) -> None:
        """Let PostgreSQL's data lie in memory, where there is room for it: a copy of a database takes a twentieth then.

        Data that is there already stays where it is.
        """
        if self.postgres.exists():
            return
        self.postgres.unlink(missing_ok=True)  # the machine was started anew since
        place = memory()
        if place is None or shutil.disk_usage(place).free < ROOM:
            return
        data = lab_paths(self.name, place).postgres
        shutil.rmtree(data.parent, ignore_errors=True)  # what a lab of this name left that is gone
        make_dir(data.parent, _LAB_MODE)
        self.postgres.symlink_to(data)

    def remove(self) -> None:
        """Everything of the lab. Nothing of it may run any more."""
        if self.postgres.is_symlink():
            shutil.rmtree(self.postgres.readlink().parent, ignore_errors=True)
        shutil.rmtree(self.base, ignore_errors=True)


def memory() -> Path | None:
    """This cache's counterpart in memory, gone at the next start; None where the system has no such file system.

    What others may write to can hold a trap under our name: only a directory of our own is used.
    """
    if not os.access(MEMORY, os.W_OK):
        return None
    path = MEMORY / f"msp.ops-{hashlib.sha256(os.fsencode(cache())).hexdigest()[:12]}"
    mode = 0o755 if os.geteuid() == 0 else 0o700
    make_dir(path, mode)
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        return None
    make_dir(path / "labs", mode)
    return path


def lab_paths(name: str, base: Path | None = None) -> LabPaths:
    """The files of the lab of this name; the name becomes part of paths and host names, so it is checked first."""
    if not NAME.fullmatch(name):
        raise MspError(
            "MSP-LAB-001",
            "a lab's name of lower-case letters, digits and hyphens, starting with a letter, at most 31 long",
            repr(name),
            "choose another --name",
        )
    paths = LabPaths(name, (base or cache()) / "labs" / name)
    longest = len(os.fsencode(paths.postgres / ".s.PGSQL.5432"))
    if longest > SOCKET_PATH_LIMIT:
        raise MspError(
            "MSP-LAB-002",
            f"paths of sockets of at most {SOCKET_PATH_LIMIT} bytes",
            f"{longest} bytes under {paths.base}",
            "set MSP_CACHE to a directory with a shorter path",
        )
    return paths


def make_labs_dir() -> None:
    """The directory of all labs, when absent: locks lie in it before a lab's own directory is made."""
    make_dir(cache() / "labs", 0o755 if os.geteuid() == 0 else 0o700)


def make_dir(path: Path, mode: int) -> None:
    """Make a directory with exactly this mode, its parents with the usual one; one that exists is left as it is."""
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(exist_ok=True)
    path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Replace a file's content in one step; nobody but its owner can read it at any moment."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    scratch.replace(path)


def check_reachable(path: Path) -> None:
    """Refuse a place that another user cannot enter. Nothing is opened up: that is the owner's decision."""
    for directory in (path, *path.parents):
        if not directory.stat().st_mode & stat.S_IXOTH:
            raise MspError(
                "MSP-LAB-003",
                f"{path} to be reachable for the user that PostgreSQL runs as (it refuses to run as root)",
                f"{directory} is closed to others",
                "set MSP_CACHE to a directory that others may enter, for instance /var/cache/msp.ops",
            )
