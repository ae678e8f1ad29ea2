"""A whole lab: up, down, status. Knows its processes across runs, finds what a crash left, keeps its data.

Two labs share nothing but the installed programs and the cached database dump.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from lab import hosts as lab_hosts
from lab import netbox, packages, paths, postgres, processes, progress
from lab.locks import Progress, held
from lab.paths import LabPaths
from lab.processes import Process

SERVICES = ("postgres", "redis", "web", "worker")


@dataclass
class State:
    """What state.json holds: enough to know in another process, or after a crash, what runs and where."""

    version: str = ""
    port: int | None = None
    # What the database's tables were made by.
    migrated: str = ""
    processes: dict[str, Process] = field(default_factory=dict)
    hosts: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> State:
        """An unreadable file counts as none: processes are found by their mark as well. What another version of ours
        wrote beside is left out."""
        try:
            raw = json.loads(path.read_text())
            raw["processes"] = {name: Process(**entry) for name, entry in raw["processes"].items()}
            return cls(**{each.name: raw[each.name] for each in fields(cls) if each.name in raw})
        except (OSError, ValueError, TypeError, KeyError):
            return cls()

    def write(self, path: Path) -> None:
        paths.write_private(path, json.dumps(asdict(self), indent=2))


@dataclass(frozen=True)
class Lab:
    """A running lab, as tests, benches and the demo use it."""

    name: str
    paths: LabPaths
    port: int
    version: str
    hosts: list[dict[str, Any]]
    environment: netbox.Environment

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return self.paths.token.read_text()

    @property
    def admin_user(self) -> str:
        return netbox.ADMIN

    @property
    def admin_password(self) -> str:
        return self.paths.admin_password.read_text()

    @property
    def cluster(self) -> postgres.Cluster:
        return self.environment.cluster(self.paths.postgres)

    def env(self) -> dict[str, str]:
        """What a command of ours needs to find this NetBox."""
        return {"NETBOX_API": self.url, "NETBOX_TOKEN": self.token}

    def snapshot(self, name: str) -> None:
        """Keep NetBox's whole database under a name. Requests must not be running."""
        self.cluster.copy_database(netbox.DATABASE, f"snapshot_{name}")

    def reset(self, name: str) -> None:
        """Put NetBox's database back to a snapshot (about half a second), and forget caches and queued jobs."""
        netbox.drop_jobs(self.paths, State.read(self.paths.state).processes["worker"])
        self.cluster.copy_database(f"snapshot_{name}", netbox.DATABASE)
        netbox.forget_cache(self.paths)


@dataclass(frozen=True)
class Status:
    name: str
    running: bool
    services: dict[str, bool]
    lab: Lab | None
    hosts: list[dict[str, Any]]
    paths: LabPaths


@contextlib.contextmanager
def _locked(name: str, progress: Progress) -> Iterator[LabPaths]:
    """One up or down at a time for each lab."""
    lab = paths.lab_paths(name)
    paths.make_labs_dir()
    with held(f"{lab.base}.lock", f"lab {name}", progress):
        yield lab


def up(name: str = "demo", *, hosts: bool = True, durable: bool = True, progress: Progress = progress.step) -> Lab:
    """Bring a lab up, whatever state it is in, and return it when it answers. What runs is left alone.

    Hosts boot (and their images are made) while NetBox starts. Where containers cannot run, the lab has none. A lab
    that is not durable waits for no disk, with its data in memory where it can: it survives every killed process, but
    no power cut.
    """
    with _locked(name, progress) as lab, ThreadPoolExecutor(1) as pool:
        state = State.read(lab.state)
        booting = pool.submit(_hosts, lab, progress) if hosts else None
        environment = netbox.environment(progress)
        if not _runs(lab, state):
            _start(environment, lab, state, progress, durable=durable)
        if booting:
            state.hosts = booting.result()
            state.write(lab.state)
        return _lab(lab, state, environment)


def no_hosts_reason() -> str | None:
    """Why this machine can't run hosts, as a sentence; None where it can."""
    return lab_hosts.available()


def _hosts(lab: LabPaths, progress: Progress) -> list[dict[str, Any]]:
    packages.ensure(progress, packages.FOR_HOSTS)
    if reason := no_hosts_reason():
        print(f"msp: no hosts in this lab. {reason}", file=sys.stderr)
        return []
    return lab_hosts.up(lab.name, lab.hosts, progress)


def _runs(lab: LabPaths, state: State) -> bool:
    return (
        state.port is not None
        and set(state.processes) == set(SERVICES)
        and all(map(processes.alive, state.processes.values()))
        and netbox.answers(state.port, lab.token.read_text())
    )


def _start(environment: netbox.Environment, lab: LabPaths, state: State, progress: Progress, *, durable: bool) -> None:
    """Start all services on what is there. What a crash left running is ended first, what it left undone is redone."""
    left = netbox.clean(lab)
    if left:
        with progress(f"lab {lab.name}: ended {len(left)} process(es) that an earlier run left behind"):
            pass
    netbox.configure(lab)
    netbox.empty_database(environment, progress)
    with progress(f"lab {lab.name}: starting NetBox {environment.version}"):
        state.version, state.processes = environment.version, {}

        def record(service: str, process: Process) -> None:
            state.processes[service] = process
            state.write(lab.state)

        try:
            if not durable:
                lab.data_in_memory()
            cluster = environment.cluster(lab.postgres)
            cluster.create()
            record("postgres", cluster.start(log=lab.logs / "postgres.log", mark=lab.base, durable=durable))
            record("redis", netbox.start_redis(environment, lab))
            netbox.ensure_database(environment, cluster, progress)
            made_by = netbox.dump_path(environment).name
            if state.migrated not in ("", made_by):
                netbox.migrate(environment, lab)
            state.migrated = made_by
            web, state.port = netbox.start_web(environment, lab, state.port)
            record("web", web)
            record("worker", netbox.start_worker(environment, lab))
            netbox.await_web(lab, web, state.port)
        except BaseException:
            # Interrupted or failed: nothing of it stays behind, the next run starts from what is on disk.
            netbox.clean(lab)
            raise
        env = {"NETBOX_API": f"http://127.0.0.1:{state.port}", "NETBOX_TOKEN": lab.token.read_text()}
        paths.write_private(lab.env, "".join(f"export {key}={shlex.quote(value)}\n" for key, value in env.items()))
        state.write(lab.state)


def _lab(lab: LabPaths, state: State, environment: netbox.Environment) -> Lab:
    assert state.port is not None  # noqa: S101 (a running lab has one; said for the type checker)
    return Lab(lab.name, lab, state.port, state.version, state.hosts, environment)


def down(name: str = "demo", *, purge: bool = False, progress: Progress = progress.step) -> int:
    """End every process of a lab and remove its hosts; return how many processes there were.

    NetBox's data stays unless purged. Hosts keep nothing: the next `up` boots them as new.
    """
    with _locked(name, progress) as lab, progress(f"lab {name}: stopping"):
        lab_hosts.down(name, lab.hosts)
        # What is deleted next need not be finished.
        ended = len(netbox.clean(lab, patience=0 if purge else 10))
        if purge:
            lab.remove()
        elif lab.base.exists():
            state = State.read(lab.state)
            state.processes, state.hosts = {}, []
            state.write(lab.state)
        return ended


def status(name: str = "demo") -> Status:
    """How a lab is doing. Changes nothing."""
    lab = paths.lab_paths(name)
    state = State.read(lab.state)
    services = {s: s in state.processes and processes.alive(state.processes[s]) for s in SERVICES}
    running = _runs(lab, state) if lab.base.exists() else False
    found = None
    if running:
        found = _lab(lab, state, netbox.environment(progress.step))
    hosts = lab_hosts.status(name, lab.hosts) if state.hosts else []
    return Status(name, running, services, found, hosts, lab)
