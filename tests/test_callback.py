"""The callback msp.ops.evidence on real runs of ansible-playbook and ansible-runner."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.deliver import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Run, RunHost
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

ROOT = Path(__file__).resolve().parent.parent
SECRET = "correct-horse-battery-staple"  # noqa: S105  # the word that must appear nowhere


def place(customer: str, status: str, number: int) -> dict[str, Any]:
    contract = {"start": "2026-01-01", "end": None}
    return {"msp": {"customer": customer, "status": status, "asset": {"key": f"device:{number}"}, "contract": contract}}


INVENTORY = {
    "all": {
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        "hosts": {
            "srv01.bakery": place("bakery", "contracted", 1),
            "till02.bakery": place("bakery", "unlisted", 2),
            "srv01.dentist": place("dentist", "contracted", 3),
            "nobody": {},
        },
    }
}


class Controller:
    """A directory with an inventory, a store and a spool of its own, and ways to run playbooks there."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url
        self.spool = directory / "state" / "msp.ops" / "spool"
        self.inventory(INVENTORY)
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("MSP_", "ANSIBLE_", "AWX_"))
        }
        self.env = {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}:{inherited['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_FORCE_COLOR": "0",
            "XDG_STATE_HOME": str(directory / "state"),
            "MSP_DURABLE_PATHS": str(directory),
            "MSP_STORE_URL": url,
        }

    def inventory(self, content: dict[str, Any]) -> None:
        (self.directory / "hosts.yml").write_text(yaml.safe_dump(content))

    def playbook(self, tasks: list[dict[str, Any]], **play: Any) -> Path:
        path = self.directory / "play.yml"
        path.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks, **play}]))
        return path

    def command(self, tasks: list[dict[str, Any]], *arguments: str, **play: Any) -> list[str]:
        return ["ansible-playbook", "-i", "hosts.yml", self.playbook(tasks, **play).name, *arguments]

    def run(
        self, tasks: list[dict[str, Any]], *arguments: str, env: dict[str, str] | None = None, **play: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(tasks, *arguments, **play),
            cwd=self.directory,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def recorded(self) -> list[tuple[Run, dict[str, RunHost]]]:
        """Every run in the store with its hosts by name, newest first."""
        with Store.open(self.url) as store:
            found = [store.run(run.id) for run in store.runs()]
        return [(one[0], {host.host: host for host in one[1]}) for one in found if one is not None]


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    url = f"sqlite:///{tmp_path / 'evidence.db'}"
    Store.open(url, upgrade=True).close()
    return Controller(tmp_path, url)


FAIL: dict[str, Any] = {"ansible.builtin.fail": {"msg": "no"}, "when": "inventory_hostname == 'srv01.dentist'"}
PING: dict[str, Any] = {"ansible.builtin.ping": {}}
# Starts no module, which takes as long as the rest of a short run; the callback is told the same of it.
OK: dict[str, Any] = {"ansible.builtin.debug": {"msg": "done"}}


def test_a_run_is_recorded_with_who_where_what_and_a_row_for_every_host(controller: Controller) -> None:
    began = dt.datetime.now(dt.UTC)
    done = controller.run([PING, FAIL], env={"SUDO_USER": "anna"})
    assert done.returncode == 2, done.stdout + done.stderr
    assert "MSP-" not in done.stderr + done.stdout
    ((run, hosts),) = controller.recorded()
    assert (run.playbook, run.started_by, run.outcome, run.check_mode) == ("play.yml", "anna", "failed", False)
    assert run.controller
    assert run.ended is not None
    assert began - dt.timedelta(seconds=1) <= run.started <= run.ended <= dt.datetime.now(dt.UTC)
    assert run.extra["customers"] == ["bakery", "dentist"]
    assert {name: (host.customer, host.asset, host.in_scope) for name, host in hosts.items()} == {
        "srv01.bakery": ("bakery", "device:1", True),
        "till02.bakery": ("bakery", "device:2", False),
        "srv01.dentist": ("dentist", "device:3", True),
        "nobody": (None, None, None),
    }
    assert (hosts["srv01.bakery"].ok, hosts["srv01.bakery"].skipped, hosts["srv01.dentist"].failed) == (1, 1, 1)
    assert all(host.seconds > 0 for host in hosts.values())
    assert spool.waiting(controller.spool) == []


def test_minutes_of_a_run_are_effort_of_its_customers_inside_and_outside_the_contract(controller: Controller) -> None:
    controller.run([OK], "-e", "out_of_scope_ticket=T-4711")
    ((run, _hosts),) = controller.recorded()
    assert run.ended is not None
    assert run.out_of_scope_ticket == "T-4711"
    with Store.open(controller.url) as store:
        until = run.ended + dt.timedelta(seconds=1)
        bakery, dentist = (store.effort_minutes(name, run.started, until) for name in ("bakery", "dentist"))
    assert bakery is not None
    assert dentist is not None
    assert bakery.inside > 0 < bakery.outside
    assert dentist.outside == 0 < dentist.inside
    assert bakery.minutes + dentist.minutes == pytest.approx((run.ended - run.started).total_seconds() / 60, abs=0.01)
    assert bakery.unplanned == bakery.automation == bakery.minutes
    assert {row.ticket for row in bakery.rows} == {"T-4711"}


@pytest.mark.parametrize("only_looks", [False, True])
def test_before_the_first_day_of_the_contract_only_a_run_that_looks_is_inside_it(
    controller: Controller, only_looks: bool
) -> None:
    host = place("bakery", "contracted", 1)
    host["msp"]["contract"]["start"] = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)).isoformat()
    inventory = yaml.safe_load(yaml.safe_dump(INVENTORY))
    inventory["all"]["hosts"] = {"srv01.bakery": host}
    controller.inventory(inventory)
    guard = {"role": "msp_scope_guard", "run_once": True, "msp_scope_guard_read_only": only_looks}
    limit = ("--limit", "srv01.bakery,localhost", "-e", "out_of_scope_ticket=T-1")
    done = controller.run([], *limit, hosts="all:localhost", roles=[guard])
    assert done.returncode == 0, done.stdout + done.stderr
    ((_run, hosts),) = controller.recorded()
    assert hosts["srv01.bakery"].in_scope is only_looks


def test_loops_retries_rescues_ignored_failures_and_unreachable_hosts_are_counted_as_ansible_does(
    controller: Controller,
) -> None:
    inventory = yaml.safe_load(yaml.safe_dump(INVENTORY))
    gone = {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
        **place("dentist", "contracted", 9),
    }
    inventory["all"]["hosts"] = {"a": place("bakery", "contracted", 1), "gone": gone}
    controller.inventory(inventory)
    again = {"ansible.builtin.command": "false", "register": "it", "until": "it.rc == 0", "retries": 2, "delay": 0}
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.command": "true", "loop": [1, 2, 3]},
        {**again, "ignore_errors": True},
        {"block": [{"ansible.builtin.fail": {}}], "rescue": [OK]},
        {"ansible.builtin.command": "true", "changed_when": False, "delegate_to": "localhost"},
    ]
    controller.run(tasks)
    ((run, hosts),) = controller.recorded()
    a, gone_host = hosts["a"], hosts["gone"]
    assert (a.ok, a.changed, a.failed, a.rescued, a.ignored) == (4, 2, 0, 1, 1)
    assert (gone_host.unreachable, gone_host.ok) == (1, 0)
    assert run.outcome == "failed"


def test_a_preview_is_recorded_and_books_no_minutes(controller: Controller) -> None:
    controller.run([OK], "--check")
    ((run, hosts),) = controller.recorded()
    assert run.check_mode is True
    assert run.extra["customers"] == ["bakery", "dentist"]
    assert hosts["srv01.bakery"].customer == "bakery"
    assert minutes(controller, "bakery") == []


def minutes(controller: Controller, customer: str) -> list[tuple[bool, float]]:
    """What was booked for a customer: inside the contract or not, and how many minutes."""
    now = dt.datetime.now(dt.UTC)
    with Store.open(controller.url) as store:
        found = store.effort_minutes(customer, now - dt.timedelta(hours=1), now + dt.timedelta(hours=1))
    return [(row.in_contract, row.minutes) for row in found.rows] if found else []


def onboard(controller: Controller, *slugs: str) -> dict[str, Any]:
    """A task of ours on localhost that works for each of these customers in turn, and ends in an error for each."""
    for slug in slugs:
        text = f"customer: {{slug: {slug}, name: {slug}}}\ncontract: {{id: {SECRET}}}\n"
        (controller.directory / f"{slug}.yml").write_text(text)
    files = [str(controller.directory / f"{slug}.yml") for slug in slugs]
    return {"msp.ops.customer": {"contract_file": "{{ item }}"}, "loop": files, "ignore_errors": True}


def test_what_is_done_for_a_customer_on_localhost_is_that_customers(controller: Controller) -> None:
    task = onboard(controller, "bakery")
    task["msp.ops.customer"]["contract_file"] = task.pop("loop")[0]
    done = controller.run([task, OK], hosts="localhost")
    assert "MSP-CON-004" in done.stdout + done.stderr
    ((run, hosts),) = controller.recorded()
    assert run.ended is not None
    assert run.extra["customers"] == ["bakery"]
    assert {name: (host.customer, host.asset, host.in_scope) for name, host in hosts.items()} == {
        "localhost": ("bakery", None, True)
    }
    [(inside, booked)] = minutes(controller, "bakery")
    assert inside
    assert booked == pytest.approx((run.ended - run.started).total_seconds() / 60, abs=0.01)
    assert SECRET not in str((run, hosts))


def test_a_loop_over_customers_on_localhost_is_shared_among_them(controller: Controller) -> None:
    controller.run([onboard(controller, "bakery", "dentist")], hosts="localhost")
    ((run, hosts),) = controller.recorded()
    assert run.ended is not None
    assert run.extra["customers"] == ["bakery", "dentist"]
    assert hosts["localhost"].customer is None
    booked = [*minutes(controller, "bakery"), *minutes(controller, "dentist")]
    assert [inside for inside, _minutes in booked] == [True, True]
    assert all(part > 0 for _inside, part in booked)
    passed = (run.ended - run.started).total_seconds() / 60
    assert sum(part for _inside, part in booked) == pytest.approx(passed, abs=0.01)


def test_no_other_action_can_say_whose_a_run_is(controller: Controller) -> None:
    task = {"ansible.builtin.debug": {"var": "customer"}}
    done = controller.run([task, {**task, "loop": [1, 2]}], "-e", "customer=bakery", hosts="localhost")
    assert '"customer": "bakery"' in done.stdout
    ((run, hosts),) = controller.recorded()
    assert run.extra["customers"] == []
    assert hosts["localhost"].customer is None
    assert minutes(controller, "bakery") == []


def test_what_awx_says_of_a_job_is_recorded(controller: Controller) -> None:
    controller.run([OK], "-e", "awx_job_id=12", "-e", "awx_user_name=carla")
    assert controller.recorded()[0][0].started_by == "awx job 12 (carla)"


def test_no_task_argument_result_or_secret_reaches_the_spool_or_the_store(controller: Controller) -> None:
    tasks: list[dict[str, Any]] = [
        {"name": "no_log", "ansible.builtin.command": f"echo {SECRET}", "no_log": True},
        {"name": "plain", "ansible.builtin.command": f"echo {SECRET}"},
        {"name": "loop", "ansible.builtin.debug": {"msg": "{{ item }}"}, "loop": [SECRET]},
        {"name": "failing", "ansible.builtin.fail": {"msg": SECRET}},
    ]
    # A store that is not there first, so that the records stay in the spool to be looked at.
    missing = f"sqlite:///{controller.directory / 'missing.db'}"
    controller.run(tasks, "-e", f"password={SECRET}", env={"MSP_STORE_URL": missing}, vars={"secret": SECRET})
    spooled = [path.read_text() for path in spool.waiting(controller.spool)]
    assert spooled
    assert SECRET not in "".join(spooled)
    controller.run(tasks, "-e", f"password={SECRET}", vars={"secret": SECRET})
    assert len(controller.recorded()) == 2
    for path in controller.directory.glob("evidence.db*"):
        assert SECRET.encode() not in path.read_bytes()


def that_only_lets_read(url: str) -> str:
    """A store that is set up, in a database whose transactions only read."""
    Store.open(url, upgrade=True).close()
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = connection.execute(sa.text("SELECT current_database()")).scalar_one()
        connection.execute(sa.text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    engine.dispose()
    return url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite:///{directory}/missing.db", "MSP-EVD-002"),
        ("postgresql://anna:hunter2@127.0.0.1:1/evidence", "MSP-EVD-001"),
        ("nonsense", "MSP-EVD-001"),
        ("read-only", "MSP-EVD-003"),
    ],
)
def test_a_store_that_cannot_be_used_fails_no_run_and_its_records_are_delivered_later(
    controller: Controller, url: str, code: str, request: pytest.FixtureRequest
) -> None:
    if url == "read-only":
        url = that_only_lets_read(request.getfixturevalue("postgres_url"))
    done = controller.run([OK], env={"MSP_STORE_URL": url.format(directory=controller.directory)})
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout + done.stderr
    assert told.count(code) == 1
    assert "hunter2" not in told
    assert len(spool.waiting(controller.spool)) == 1
    assert controller.run([OK]).returncode == 0
    assert [run.outcome for run, _hosts in controller.recorded()] == ["ok", "ok"]
    assert spool.waiting(controller.spool) == []


def test_what_the_store_can_never_take_is_not_said_to_wait(controller: Controller) -> None:
    path = spool.put([], controller.spool)
    path.write_text("no record\n")
    told = " ".join((done := controller.run([OK])).stderr.split()) + done.stdout
    assert "can't take 1 of the records" in told
    assert "each with its reason" in told
    assert "delivered by the next run" not in told
    assert len(controller.recorded()) == 1


def test_a_delivery_that_is_not_complete_says_that_something_is_left(controller: Controller) -> None:
    spool.prepare(controller.spool)
    with (controller.spool / ".deliver.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = controller.run([OK], env={"MSP_DELIVERY_SECONDS": "5"})
    told = " ".join((done.stderr + done.stdout).split())
    assert "Not all evidence was delivered within 5 s" in told
    assert "delivered by the next run" in told
    assert len(spool.waiting(controller.spool)) == 1


def test_a_store_that_never_answers_holds_a_run_up_no_longer_than_allowed(controller: Controller) -> None:
    with Store.open(controller.url) as holder, holder.database._write():
        began = time.monotonic()
        done = controller.run([OK], env={"MSP_DELIVERY_SECONDS": "2"})
        spent = time.monotonic() - began
    quick = time.monotonic()
    controller.run([OK])
    assert done.returncode == 0
    assert "delivered by the next run" in done.stdout + done.stderr
    assert spent - (time.monotonic() - quick) < 8
    assert len(controller.recorded()) == 2


def test_a_spool_that_cannot_be_written_fails_no_run(controller: Controller) -> None:
    (controller.directory / "state").write_text("a file where a directory should be")
    done = controller.run([OK])
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("MSP-EVD-011") == 1


@pytest.mark.parametrize("undeclared", ["spool", "store"])
def test_in_a_container_an_undeclared_place_stops_the_run_before_its_first_task(
    controller: Controller, undeclared: str
) -> None:
    inside, outside = controller.directory / "volume", controller.directory / "elsewhere"
    env = {"AWX_HOST": "https://awx.example.com", "MSP_DURABLE_PATHS": str(inside)}
    env["XDG_STATE_HOME"] = str(outside if undeclared == "spool" else inside)
    env["MSP_STORE_URL"] = f"sqlite:///{outside if undeclared == 'store' else inside}/evidence.db"
    marker = controller.directory / "changed"
    done = controller.run([{"ansible.builtin.file": {"path": str(marker), "state": "touch"}}], env=env)
    assert done.returncode != 0
    assert "MSP-EVD-004" in done.stdout + done.stderr
    assert not marker.exists()
    assert not outside.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_dies_is_recorded_as_interrupted(controller: Controller, how: signal.Signals) -> None:
    fifo = controller.directory / "wait"
    os.mkfifo(fifo)
    command = controller.command([{"ansible.builtin.command": f"cat {fifo}"}], "--limit", "srv01.bakery")
    process = subprocess.Popen(command, cwd=controller.directory, env=controller.env, start_new_session=True)
    try:
        with fifo.open("w"):  # returns when the task has it open
            process.send_signal(how)
            process.wait(60)
    finally:
        with suppress(ProcessLookupError):  # a worker that outlived it
            os.killpg(process.pid, signal.SIGKILL)
    assert len(spool.waiting(controller.spool)) == 1
    with Store.open(controller.url) as store:
        assert len(deliver(store, controller.spool).interrupted) == 1
    ((run, hosts),) = controller.recorded()
    assert (run.outcome, run.ended, hosts) == ("interrupted", None, {})


def test_each_playbook_of_a_command_is_a_run_with_its_own_counts(controller: Controller) -> None:
    shutil.copy(controller.playbook([OK, OK]), controller.directory / "second.yml")
    controller.run([OK], "second.yml")
    (second, of_second), (first, of_first) = controller.recorded()
    assert (first.playbook, second.playbook) == ("play.yml", "second.yml")
    assert (of_first["nobody"].ok, of_second["nobody"].ok) == (1, 2)
    assert first.ended is not None
    assert first.ended <= second.started


def test_a_run_by_ansible_runner_is_recorded_too(controller: Controller) -> None:
    controller.playbook([PING])
    code = (
        "import ansible_runner, sys; r = ansible_runner.run(private_data_dir='.', playbook=sys.argv[1], "
        "inventory=sys.argv[2], quiet=True); sys.exit(r.rc)"
    )
    arguments = [str(controller.directory / "play.yml"), str(controller.directory / "hosts.yml")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=controller.directory,
        env=controller.env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ((run, hosts),) = controller.recorded()
    assert (run.outcome, len(hosts)) == ("ok", 4)


def test_a_plugin_of_the_run_can_name_the_run(controller: Controller) -> None:
    done = controller.run([{"ansible.builtin.debug": {"msg": "run is {{ lookup('env', 'MSP_RUN_ID') }}"}}])
    ((run, _hosts),) = controller.recorded()
    assert f"run is {run.id}" in done.stdout
