"""One PostgreSQL cluster out of a wheel's binaries: made, started, its databases copied. Listens on no network.

Its socket lies in its data directory of mode 0700: who may enter (its own user, and root) needs no password.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import paths, processes

# PostgreSQL refuses to run as root; this system user owns nothing but clusters.
ACCOUNT_NAME = "msp-lab"
SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    # A crash may lose the last moments, never the consistency: right for a lab, and much faster.
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "60",
    "shared_buffers": "256MB",
    # Compiling queries costs seconds in queries that take milliseconds.
    "jit": "off",
}


def account() -> processes.Account | None:
    """The user that PostgreSQL must run as: this one, or when this is root a system user, made when absent."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT_NAME],
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise MspError(
                "MSP-LAB-005",
                f"a system user {ACCOUNT_NAME} (PostgreSQL refuses to run as root)",
                f"useradd: {made.stderr.strip()}",
                "run the lab as an ordinary user, or make that user by hand",
            ) from None
        entry = pwd.getpwnam(ACCOUNT_NAME)
    return processes.Account(entry.pw_uid, entry.pw_gid)


def last_complaint(log: Path) -> str:
    """The last line in which PostgreSQL says why it can't go on."""
    lines = log.read_text(errors="replace").splitlines()
    return next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), "(nothing was logged)")


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL data directory and the programs that serve it."""

    binaries: Path
    data: Path
    account: processes.Account | None

    def create(self) -> None:
        """Make the data directory, whole or not at all. Collation is PostgreSQL's own, so it is the same anywhere."""
        if (self.data / "PG_VERSION").exists():
            return
        if self.account:
            paths.check_reachable(self.data.parent)
            paths.check_reachable(self.binaries)
        data = self.data.resolve()  # it may be a link into memory
        fresh = data.with_name(f"{data.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.account:
            os.chown(fresh, self.account.uid, self.account.gid)
        self._run(
            "initdb",
            f"--pgdata={fresh}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        )
        with (fresh / "postgresql.conf").open("a") as stream:
            stream.writelines(f"{key} = {value}\n" for key, value in SETTINGS.items())
        fresh.rename(data)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.binaries / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )
        if done.returncode:
            raise MspError(
                "MSP-LAB-006",
                f"PostgreSQL's {program} to succeed",
                done.stderr.strip() or f"exit status {done.returncode}",
                "look at what it says; ./msp lab down --purge removes a broken lab",
            )

    def start(self, *, log: Path, mark: Path, durable: bool = True) -> processes.Process:
        """Start the server and wait until it answers. Recovers by itself after a crash."""
        self._forget_dead_server()
        process = processes.start(
            [
                self.binaries / "postgres",
                "-D",
                self.data,
                "-c",
                f"unix_socket_directories={self.data}",
                *([] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]),
            ],
            log=log,
            cwd=self.data,
            mark=mark,
            account=self.account,
        )
        ready = processes.wait_until(
            lambda: not processes.alive(process) or (self._is_of(process) and self.answers()), 60
        )
        if not ready or not processes.alive(process):
            raise MspError(
                "MSP-LAB-006",
                "PostgreSQL to answer within 60 seconds",
                "no answer" if processes.alive(process) else f"it ended: {last_complaint(log)}",
                f"read the end of {log}",
            )
        return process

    def _forget_dead_server(self) -> None:
        """Remove the lock files, of the data and of the socket, of a server that runs no more.

        PostgreSQL only looks whether the number in them is taken, and refuses to start when it is: also by a process
        that was killed and that its parent has not waited for yet (an init that does so late), or by a stranger that
        got the number. Whether memory of a dead server is still in use, PostgreSQL finds out by itself.
        """
        for lock in (self.data / "postmaster.pid", *self.data.glob(".s.PGSQL.*.lock")):
            with contextlib.suppress(FileNotFoundError):
                number = lock.read_text().split("\n")[0]
                if not number.isdigit() or not processes.serves(int(number), {str(self.data)}):
                    lock.unlink()

    def _is_of(self, process: processes.Process) -> bool:
        """Whether it is this server that has the data, and not another that answers in its place."""
        with contextlib.suppress(FileNotFoundError):
            return (self.data / "postmaster.pid").read_text().split("\n")[0] == str(process.pid)
        return False

    def answers(self) -> bool:
        try:
            with self.connect():
                return True
        except psycopg.OperationalError:
            return False

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(host=str(self.data), user="postgres", dbname=database, autocommit=True)

    def url(self, database: str) -> str:
        """The database's address as SQLAlchemy spells it."""
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.data), safe='')}"

    def databases(self) -> set[str]:
        with self.connect() as connection:
            return {row[0] for row in connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")}

    def create_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def rename_database(self, old: str, new: str) -> None:
        with self.connect() as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
            )

    def copy_database(self, source: str, target: str) -> None:
        """Replace the target by a copy of the source. Connections to both are cut: their users must reconnect."""
        self.drop_database(target)
        with self.connect() as connection:
            name = sql.Identifier(source)
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
            try:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (source,)
                )
                # Files are copied in half the time, and where that has to wait for a disk in much more.
                (waits,) = connection.execute("SELECT current_setting('fsync')::boolean").fetchone() or (True,)
                copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}")
                how = sql.SQL("wal_log" if waits else "file_copy")
                connection.execute(copy.format(sql.Identifier(target), name, how))
            finally:
                connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    def dump(self, database: str, path: Path) -> None:
        self._client("pg_dump", "--format=custom", "--no-owner", f"--file={path}", database)

    def restore(self, path: Path, database: str) -> None:
        self._client("pg_restore", "--no-owner", "--exit-on-error", "--jobs=2", f"--dbname={database}", str(path))

    def _client(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's client programs as this user: it reads and writes files of ours."""
        done = subprocess.run(
            [self.binaries / program, f"--host={self.data}", "--username=postgres", *arguments],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise MspError(
                "MSP-LAB-006",
                f"PostgreSQL's {program} to succeed",
                done.stderr.strip() or f"exit status {done.returncode}",
                "look at what it says",
            )
