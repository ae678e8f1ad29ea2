"""The lab as a person uses it: ./msp lab up, down and status, in processes of their own, with every kind of crash."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import lab as lab_of
from lab import netbox as lab_netbox
from lab import paths, processes, scratch
from lab.api import NetBox, Refused
from lab.lab import Lab, State

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent
ONE, OTHER = f"one-{os.getpid()}", f"other-{os.getpid()}"


def msp(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "msp_cli" / "__main__.py"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def running(name: str) -> list[processes.Process]:
    place = paths.lab_paths(name)
    return processes.of_lab(place.base, [place.postgres, place.redis])


def netbox_of(name: str) -> NetBox:
    found = lab_of.status(name).lab
    assert found is not None
    return NetBox(found)


def modes() -> dict[Path, int]:
    """How closed everything on the way to a person's files and to the cache is."""
    home, cache = Path.home(), paths.cache()
    ways = {home, home / ".cache", home / ".config", *home.parents, cache, *cache.parents}
    return {path: stat.S_IMODE(path.stat().st_mode) for path in ways if path.exists()}


@pytest.fixture(scope="module")
def modes_before() -> dict[Path, int]:
    return modes()


@pytest.fixture(scope="module")
def one(modes_before: dict[Path, int]) -> Iterator[str]:
    """A lab of this module's own, which its tests break and mend."""
    try:
        done = msp("lab", "up", "--name", ONE, "--no-hosts")
        assert done.returncode == 0, done.stderr
        yield ONE
    finally:
        lab_of.down(ONE, purge=True)


@pytest.fixture
def up(one: str) -> str:
    """The same, running again whatever the test before did to it."""
    lab_of.up(one, hosts=False)
    return one


def test_status_says_where_netbox_is_and_how_to_log_in_without_a_secret(up: str) -> None:
    place = paths.lab_paths(up)

    done = msp("lab", "status", "--name", up)

    assert done.returncode == 0
    assert netbox_of(up).url in done.stdout
    assert f"admin, password in {place.admin_password}" in done.stdout
    assert str(place.env) in done.stdout
    assert place.admin_password.read_text() not in done.stdout + done.stderr
    assert place.token.read_text() not in done.stdout + done.stderr


def test_the_env_file_gives_a_shell_what_it_needs_to_call_the_api(up: str) -> None:
    script = f'. "{paths.lab_paths(up).env}"; python3 -c "{CALL}"'

    done = subprocess.run(["sh", "-c", script], check=False, capture_output=True, text=True)

    assert done.stdout.strip() == "4.7.3", done.stderr


CALL = """
import json, os, urllib.request
headers = {'Authorization': 'Bearer ' + os.environ['NETBOX_TOKEN']}
request = urllib.request.Request(os.environ['NETBOX_API'] + '/api/status/', headers=headers)
print(json.load(urllib.request.urlopen(request))['netbox-version'])
"""


def test_no_secret_can_be_read_by_another_user(up: str) -> None:
    place = paths.lab_paths(up)

    secret_files = [*place.secrets.iterdir(), place.env, place.state, *(place.netbox / "conf").glob("*.*")]

    assert len(list(place.secrets.iterdir())) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret_files if path.is_file()} == {0o600}
    for directory in (place.secrets, place.postgres, place.redis, place.netbox, place.logs):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700, directory


def test_no_home_was_opened_up_for_the_sake_of_the_lab(up: str, modes_before: dict[Path, int]) -> None:
    assert modes() == modes_before


def test_no_secret_is_in_a_process_list(up: str) -> None:
    secrets = [path.read_bytes() for path in paths.lab_paths(up).secrets.iterdir()]

    lines = [(processes.PROC / str(p.pid) / "cmdline").read_bytes() for p in running(up)]

    assert lines
    assert not [line for line in lines for secret in secrets if secret in line]


def test_netbox_listens_on_loopback_only_and_postgres_and_redis_on_no_network(up: str) -> None:
    pids = {str(process.pid) for process in running(up)}

    listening = [line.split() for line in listeners() if any(f"pid={pid}," in line for pid in pids)]

    assert {row[3] for row in listening} == {netbox_of(up).url.removeprefix("http://")}


def listeners() -> list[str]:
    done = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_netbox_pages_look_right_because_their_style_sheets_are_served(up: str) -> None:
    page = fetch(f"{netbox_of(up).url}/login/")
    sheet = page.split('rel="stylesheet" href="')[0:2][1].split('"')[0] if 'rel="stylesheet" href="' in page else ""

    assert "<form" in page
    style = fetch(netbox_of(up).url + (sheet or page.split(".css")[0].rsplit('"', 1)[1] + ".css"))
    assert len(style) > 10_000


def fetch(url: str) -> str:
    from urllib.request import urlopen

    with urlopen(url, timeout=60) as answer:  # noqa: S310 (the lab's own address)
        return str(answer.read().decode())


def test_a_second_up_leaves_a_running_lab_alone_and_returns_at_once(up: str) -> None:
    # What they start themselves comes and goes: a job of the worker is a process of its own.
    before = State.read(paths.lab_paths(up).state).processes

    began = time.monotonic()
    done = msp("lab", "up", "--name", up, "--no-hosts")
    seconds = time.monotonic() - began

    assert done.returncode == 0
    assert State.read(paths.lab_paths(up).state).processes == before
    assert set(before) == set(lab_of.SERVICES)
    assert all(processes.alive(process) for process in before.values())
    assert seconds < 5, "a lab that runs took as long as one that starts"


def test_down_leaves_no_process_and_two_ups_at_once_make_one_lab_with_its_data(up: str) -> None:
    netbox_of(up).create("tenancy/tenants/", {"name": "Kept", "slug": "kept"})

    done = msp("lab", "down", "--name", up)

    assert done.returncode == 0
    assert running(up) == []
    assert msp("lab", "status", "--name", up).returncode == 1

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: msp("lab", "up", "--name", up, "--no-hosts"), range(2)))

    assert [done.returncode for done in results] == [0, 0]
    masters = [process for process in running(up) if processes.program(process.pid) == "redis-server"]
    assert len(masters) == 1
    (kept,) = netbox_of(up).all("tenancy/tenants/")
    assert kept["slug"] == "kept"
    netbox_of(up).call("DELETE", f"tenancy/tenants/{kept['id']}/")


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """A lab beside it, whose first up was killed half-way; the next one went on with it."""
    command = [sys.executable, str(ROOT / "msp_cli" / "__main__.py"), "lab", "up", "--name", OTHER, "--no-hosts"]
    try:
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as killed:
            assert processes.wait_until(lambda: running(OTHER) != [], 120)
            killed.kill()
        done = msp("lab", "up", "--name", OTHER, "--no-hosts")
        assert done.returncode == 0, done.stderr
        yield OTHER
    finally:
        lab_of.down(OTHER, purge=True)


def test_an_up_that_was_killed_half_way_is_gone_on_with_by_the_next(other: str) -> None:
    assert netbox_of(other).all("dcim/sites/") == []
    assert one_of_each(other)


def test_two_labs_side_by_side_share_no_data_no_port_and_no_secret(up: str, other: str) -> None:
    here, there = netbox_of(up), netbox_of(other)

    there.create("tenancy/tenants/", {"name": "Elsewhere", "slug": "elsewhere"})

    assert here.url != there.url
    assert "elsewhere" not in [tenant["slug"] for tenant in here.all("tenancy/tenants/")]
    with pytest.raises(Refused) as refused:
        here.call("GET", "dcim/sites/", token=there.token)
    assert refused.value.status in (401, 403)
    lab_of.down(other, purge=True)
    assert running(other) == []
    assert not paths.lab_paths(other).base.exists()
    assert here.all("tenancy/tenants/") is not None


def killed(victim: processes.Process) -> bool:
    os.kill(victim.pid, signal.SIGKILL)
    return processes.wait_until(lambda: not processes.alive(victim), 10)


# What needs the second of them goes on without it.
@pytest.mark.parametrize("services", [("worker", "postgres"), ("web", "redis")])
def test_killed_services_are_seen_by_status_and_mended_by_up(up: str, services: Sequence[str]) -> None:
    before = State.read(paths.lab_paths(up).state).processes

    for number, service in enumerate(services, start=1):
        assert killed(before[service])

        seen = msp("lab", "status", "--name", up)
        assert seen.returncode == 1
        assert f"broken, {', '.join(sorted(services[:number]))} not running" in seen.stdout

    assert msp("lab", "up", "--name", up, "--no-hosts").returncode == 0
    assert all(lab_of.status(up).services.values())
    assert netbox_of(up).all("dcim/sites/") == []
    assert one_of_each(up)


def test_a_lab_whose_every_process_was_killed_at_once_comes_back(up: str) -> None:
    for process in running(up):
        os.kill(process.pid, signal.SIGKILL)
    assert processes.wait_until(lambda: running(up) == [], 10)

    done = msp("lab", "up", "--name", up, "--no-hosts")

    assert done.returncode == 0, done.stderr
    assert netbox_of(up).all("dcim/sites/") == []


def test_a_database_server_that_was_killed_and_not_waited_for_yet_does_not_keep_the_next_from_starting() -> None:
    with scratch.cluster() as cluster:
        place = cluster.data.parent
        lock = cluster.data / "postmaster.pid"
        killed = int(lock.read_text().split()[0])
        os.kill(killed, signal.SIGKILL)  # a child of this process, which does not wait for it: it stays a zombie
        assert processes.wait_until(lambda: not processes.of_lab(place, [cluster.data]), 10)
        assert (processes.PROC / str(killed)).exists()

        cluster.start(log=place / "log" / "postgres.log", mark=place, durable=False)

        assert cluster.answers()
        assert int(lock.read_text().split()[0]) != killed


def test_a_database_server_that_ends_says_why() -> None:
    with scratch.cluster() as cluster:
        place = cluster.data.parent
        with pytest.raises(MspError, match=r"lock file .* already exists"):
            cluster.start(log=place / "log" / "postgres.log", mark=place, durable=False)


def test_processes_that_no_state_file_names_are_found_and_ended(up: str) -> None:
    before = set(running(up))
    paths.lab_paths(up).state.write_text("{ half a fi")

    done = msp("lab", "up", "--name", up, "--no-hosts")

    assert done.returncode == 0, done.stderr
    assert before.isdisjoint(running(up))
    assert one_of_each(up)


def test_a_process_that_only_got_the_number_of_one_of_ours_is_left_alone(up: str) -> None:
    lab_of.down(up)
    place = paths.lab_paths(up)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            now = processes.identify(stranger.pid)
            assert now is not None
            recycled = processes.Process(now.pid, now.started - 1, now.boot)
            state = State.read(place.state)
            state.processes = dict.fromkeys(lab_of.SERVICES, recycled)
            state.write(place.state)

            assert msp("lab", "up", "--name", up, "--no-hosts").returncode == 0
            lab_of.down(up)

            assert processes.alive(now)
        finally:
            stranger.kill()


def one_of_each(name: str) -> bool:
    """One postmaster, one Redis, one gunicorn master, one job worker: nothing doubled by a mend."""
    parents = processes.parentless(running(name))
    return len(parents) == len(lab_of.SERVICES)


def test_a_name_that_is_no_name_is_refused() -> None:
    done = msp("lab", "up", "--name", "../etc")

    assert done.returncode == 1
    assert "MSP-LAB-001" in done.stderr


def test_a_lab_that_was_never_there_is_down_already() -> None:
    done = msp("lab", "down", "--name", "never-there")

    assert done.returncode == 0
    assert "0 processes ended" in done.stdout


def test_a_user_with_few_rights_is_told_no_for_the_rest(netbox: NetBox) -> None:
    token = netbox.token_for([{"object_types": ["dcim.site"], "actions": ["view"]}])

    assert netbox.call("GET", "dcim/sites/", token=token)["count"] >= 0
    with pytest.raises(Refused) as refused:
        netbox.call("GET", "dcim/devices/", token=token)
    assert refused.value.status == 403


def test_a_reset_brings_back_the_empty_netbox_under_running_processes(netbox: NetBox) -> None:
    netbox.reset()
    netbox.create("dcim/sites/", {"name": "Gone soon", "slug": "gone-soon"})

    began = time.monotonic()
    netbox.reset()

    assert netbox.all("dcim/sites/") == []
    assert time.monotonic() - began < 20


def test_no_background_job_of_before_a_reset_writes_after_it(netbox: NetBox) -> None:
    def jobs_and_found() -> tuple[set[int], set[str]]:
        with netbox.lab.cluster.connect(lab_netbox.DATABASE) as connection:
            jobs = connection.execute("SELECT id FROM core_job").fetchall()
            found = connection.execute("SELECT value FROM extras_cachedvalue").fetchall()
        return {number for (number,) in jobs}, {value for (value,) in found}

    netbox.reset()
    empty = jobs_and_found()
    worker = State.read(netbox.lab.paths.state).processes["worker"]
    marker = lab_netbox.QUEUES[-1]
    with Redis(unix_socket_path=str(netbox.lab.paths.redis_socket)) as redis, ThreadPoolExecutor(1) as other:
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            # Redis hands the job to the worker, which waits for one but stands still: it is in no queue any more.
            netbox.create("dcim/sites/", {"name": "Gone soon", "slug": "gone-soon"})
            assert not any(redis.llen(queue) for queue in lab_netbox.QUEUES)
            redis.rpush(marker, "of before")
            reset = other.submit(netbox.reset)
            assert processes.wait_until(lambda: not redis.exists(marker), 60)
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        reset.result(60)

    lab_netbox.drop_jobs(netbox.lab.paths, worker)
    assert jobs_and_found() == empty
    netbox.create("dcim/sites/", {"name": "Found later", "slug": "found-later"})
    assert processes.wait_until(lambda: "Found later" in jobs_and_found()[1], 60), "the worker does nothing any more"


def test_names_sort_by_bytes_which_is_the_one_difference_of_the_labs_netbox(fresh_netbox: NetBox) -> None:
    for name in ("sw10", "sw2", "Zulu", "alpha"):
        fresh_netbox.create("dcim/sites/", {"name": name, "slug": name.lower()})

    assert [site["name"] for site in fresh_netbox.all("dcim/sites/?ordering=name")] == ["Zulu", "alpha", "sw10", "sw2"]


def test_the_empty_database_is_cached_for_this_netbox_and_this_way_to_make_it(netbox: NetBox) -> None:
    dump = lab_netbox.dump_path(netbox.lab.environment)

    assert dump.exists()
    assert dump.name.startswith("4.7.3-")


def test_a_scratch_database_takes_rows(postgres_url: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1 + 1")).scalar() == 2
    engine.dispose()


def test_status_shows_every_host_with_its_address_and_whether_it_runs(hosts: list[dict[str, object]], lab: Lab) -> None:
    done = msp("lab", "status", "--name", lab.name)

    shown = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert {str(host["name"]) for host in hosts} <= set(shown)
    assert shown["jansen-srv01"][0] == "bakkerij-jansen"
    assert shown["jansen-srv01"][2] == "running"
    assert shown["jansen-nas01"][2] == "absent"
