"""From a change in NetBox to the start of its work; and a thousand events in a minute.

Ours runs as its users run it: NetBox, its own worker and webhook, ansible-rulebook with the rulebook netbox.yml, an
evidence store, ./msp worker. Theirs is what ansible-rulebook's own documentation shows: a rule with run_playbook.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import os
import re
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from bench import harness
from lab import events as lab_events
from lab import hosts as lab_hosts
from lab import lab as lab_of
from lab import processes
from lab.api import NetBox
from lab.progress import step

CUSTOMER = "bench-bakery"
CHANGES = int(os.environ.get("MSP_BENCH_CHANGES", "9"))
STORM, STORM_SECONDS, SENDERS = 1000, 60.0, 4
START_SECONDS = 2.0
# NetBox's own workers wait no longer for an answer.
BLOCKED_SECONDS = 1.0
THEIR_EVENTS = 5
WAIT = 600.0
HERE = {"all": {"hosts": {"localhost": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}}


@dataclass
class Place:
    """A NetBox with one customer, a receiver and a store."""

    netbox: NetBox
    device: int
    url: str
    env: dict[str, str]
    receiver: lab_events.Receiver


def run() -> harness.Outcome:
    outcome = harness.Outcome("events")
    with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory:
        lab = lab_of.up("bench", durable=False)
        try:
            place = _place(lab, Path(directory))
            try:
                _one_by_one(outcome, place)
                _storm(outcome, place)
            finally:
                lab_events.stop(place.receiver)
            _theirs(outcome, lab, Path(directory))
        finally:
            lab_of.down("bench", purge=True)
    return outcome


def _place(lab: lab_of.Lab, directory: Path) -> Place:
    netbox = NetBox(lab)
    url = f"sqlite:///{directory / 'evidence.db'}"
    env = {
        **os.environ,
        **netbox.env(),
        **lab_hosts.ssh_environment(lab.paths.hosts),
        "MSP_STORE_URL": url,
        "MSP_DURABLE_PATHS": str(directory),
        "XDG_STATE_HOME": str(directory / "state"),
        "XDG_CACHE_HOME": str(directory / "cache"),
        "MSP_WEBHOOK_SECRET": secrets.token_hex(32),
        "ANSIBLE_CONFIG": str(harness.ROOT / "ansible.cfg"),
    }
    os.environ["MSP_DURABLE_PATHS"] = str(directory)
    Store.open(url, upgrade=True).close()
    told = {name: value for name, value in env.items() if name.startswith(("MSP_", "XDG_"))}
    receiver = lab_events.start(lab.paths, "netbox", told, step)
    _must(["ansible-playbook", "playbooks/netbox.yml", "-e", f"netbox_model_events_url={receiver.url}"], env)
    return Place(netbox, _customer(netbox, lab), url, env, receiver)


def _customer(netbox: NetBox, lab: lab_of.Lab) -> int:
    """A customer with one real host."""
    fields = {"msp_contract_id": "B-1", "msp_contract_start": "2026-01-01"}
    tag = netbox.all("extras/tags/?slug=msp-customer")[0]["id"]
    tenant = netbox.create(
        "tenancy/tenants/", {"name": CUSTOMER, "slug": CUSTOMER, "custom_fields": fields, "tags": [tag]}
    )
    host = next(one for one in lab.hosts if one["present"])
    maker = netbox.create("dcim/manufacturers/", {"name": "Bench", "slug": "bench"})
    body = {
        "site": netbox.create("dcim/sites/", {"name": "Bench", "slug": "bench"})["id"],
        "role": netbox.create("dcim/device-roles/", {"name": "Bench", "slug": "bench"})["id"],
        "device_type": netbox.create(
            "dcim/device-types/", {"manufacturer": maker["id"], "model": "Bench", "slug": "bench"}
        )["id"],
        "tenant": tenant["id"],
        "name": "till",
        "status": "active",
        "custom_fields": {"msp_contract_status": "tracked"},
    }
    device = netbox.create("dcim/devices/", body)["id"]
    interface = netbox.create("dcim/interfaces/", {"device": device, "name": "eth0", "type": "virtual"})["id"]
    assigned = {"assigned_object_type": "dcim.interface", "assigned_object_id": interface}
    address = netbox.create("ipam/ip-addresses/", {"address": f"{host['address']}/24", **assigned})["id"]
    netbox.change(f"dcim/devices/{device}/", {"primary_ip4": address})
    return int(device)


# One by one


def _one_by_one(outcome: harness.Outcome, place: Place) -> None:
    """Each change is saved when the work of the one before is done."""
    queue, starts = [], []
    with _worker(place, "--jobs", "2"):
        for number in range(CHANGES):
            for status in ("tracked", "contracted"):
                _change(place, status)
            queued, started = _times(place)
            queue.append(queued)
            starts.append(started)
            print(
                f"change {number + 1} of {CHANGES}: {queued:.2f} s in NetBox, {started:.2f} s to its work", flush=True
            )
    outcome.figures += [
        harness.Figure("saved to received (NetBox's own queue), median", statistics.median(queue), "s"),
        harness.Figure("received to the start of its playbook, median", statistics.median(starts), "s"),
        harness.Figure("received to the start of its playbook, slowest", max(starts), "s"),
    ]
    outcome.targets.append(
        harness.Target("received to the start of its playbook, median", statistics.median(starts), START_SECONDS)
    )


def _change(place: Place, status: str) -> None:
    """Save, and wait until what follows is done."""
    before = len(_ended(place))
    place.netbox.change(f"dcim/devices/{place.device}/", {"custom_fields": {"msp_contract_status": status}})
    _until(lambda: len(_ended(place)) > before, "a change to be worked on")


def _ended(place: Place) -> list[Any]:
    with Store.open(place.url) as store:
        return incoming.outcomes(store, CUSTOMER)


def _times(place: Place) -> tuple[float, float]:
    """Of the newest event with work: seconds from save to receipt, and from there to the start of its playbook."""
    with Store.open(place.url) as store:
        done = [one for one in incoming.outcomes(store, CUSTOMER) if one.work][-1]
        found = incoming.event(store, done.event)
        runs = [one for one in store.runs(CUSTOMER) if one.started_by == f"event {done.event}"]
        received = _received_at(store, done.event)
    assert found is not None  # noqa: S101 - it has an outcome
    started = min(one.started for one in runs)
    return (received - found[0].at).total_seconds(), (started - received).total_seconds()


def _received_at(store: Store, event: str) -> dt.datetime:
    import sqlalchemy as sa

    query = sa.text("SELECT recorded_at FROM incoming_events WHERE id = :id").bindparams(id=event)
    with store.database.read() as connection:
        micros = int(connection.execute(query).scalar_one())
    return dt.datetime.fromtimestamp(micros / 1e6, dt.UTC)


# Many at once


def _storm(outcome: harness.Outcome, place: Place) -> None:
    """A thousand calls spread over a minute, one in ten told twice; a worker takes them meanwhile.

    They are of assets that NetBox does not have: the worker asks it about each, and no playbook follows.
    """
    answers: list[tuple[int, float]] = []
    lock = threading.Lock()
    began = time.monotonic()
    numbers = iter(range(STORM))

    def send() -> None:
        session = requests.Session()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            time.sleep(max(0.0, began + number * STORM_SECONDS / STORM - time.monotonic()))
            body = _body(900_000 + number)
            for _time in range(2 if number % 10 == 0 else 1):
                started = time.monotonic()
                status = _post(session, place, body)
                with lock:
                    answers.append((status, time.monotonic() - started))

    with Store.open(place.url) as store:
        before = _counted(store)
    with _worker(place, "--jobs", "2") as log:
        threads = [threading.Thread(target=send) for _number in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent = time.monotonic() - began
        _until(lambda: _waiting(place) == 0, "all to be worked on")
        worked = time.monotonic() - began
    with Store.open(place.url) as store:
        after = _counted(store)
    handled = Counter(re.findall(r"netbox dcim\.device (9\d{5})", log.read_text()))
    twice = sum(times - 1 for times in handled.values())
    came, ended = after[0] - before[0], after[1] - before[1]
    seconds = sorted(taken for _status, taken in answers)
    refused = sum(status != 200 for status, _taken in answers)
    outcome.figures += [
        harness.Figure("calls made, one in ten twice", len(answers), "calls", f"in {sent:.1f} s; {refused} refused"),
        harness.Figure("answered, median", statistics.median(seconds), "s"),
        harness.Figure("answered, slowest", seconds[-1], "s"),
        harness.Figure("events kept", came, "events"),
        harness.Figure("events ended", ended, "events", f"{worked - sent:.1f} s after the last call"),
        harness.Figure("events handled twice, by the worker's log", twice, "events"),
    ]
    outcome.targets += [
        harness.Target(
            "events lost or handled twice, of 1,000",
            abs(STORM - came) + abs(STORM - ended) + abs(STORM - len(handled)) + twice + refused,
            0,
        ),
        harness.Target("answered, slowest (NetBox's workers wait for it)", seconds[-1], BLOCKED_SECONDS),
    ]


def _body(number: int) -> bytes:
    """A change of an asset that NetBox does not have: the worker asks NetBox, and is done with it."""
    return json.dumps(
        {
            "event": "updated",
            "timestamp": dt.datetime.now(dt.UTC).isoformat(),
            "object_type": "dcim.device",
            "data": {"id": number},
            "request": {"id": str(uuid.uuid4()), "user": "bench"},
            "snapshots": {"prechange": {"tags": []}, "postchange": {"tags": ["x"]}},
        }
    ).encode()


def _post(session: requests.Session, place: Place, body: bytes) -> int:
    signature = hmac.new(place.env["MSP_WEBHOOK_SECRET"].encode(), body, hashlib.sha512).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hook-Signature": signature}
    return session.post(place.receiver.url, data=body, headers=headers, timeout=60).status_code


def _counted(store: Store) -> tuple[int, int]:
    import sqlalchemy as sa

    with store.database.read() as connection:
        return tuple(  # type: ignore[return-value]
            int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608
            for table in ("incoming_events", "event_outcomes")
        )


def _waiting(place: Place) -> int:
    with Store.open(place.url) as store:
        found = incoming.waiting(store)
    return found.waiting + found.held


# What people use today


def _theirs(outcome: harness.Outcome, lab: lab_of.Lab, directory: Path) -> None:
    """A rule with run_playbook, as ansible-rulebook's documentation has it: from the post to the first task."""
    mark = directory / "started"
    mark.mkdir()
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {
                    "ansible.builtin.file": {
                        "path": f"{mark}/{{{{ ansible_eda.event.payload.number }}}}",
                        "state": "touch",
                    }
                }
            ],
        }
    ]
    port = lab_events.free_port()
    rulebook = [
        {
            "name": "Theirs",
            "hosts": "localhost",
            "sources": [{"eda.builtin.webhook": {"host": "127.0.0.1", "port": port}}],
            "rules": [
                {
                    "name": "Run",
                    "condition": "event.payload.number is defined",
                    "action": {"run_playbook": {"name": str(directory / "theirs.yml")}},
                }
            ],
        }
    ]
    (directory / "theirs.yml").write_text(json.dumps(play))
    (directory / "rulebook.yml").write_text(json.dumps(rulebook))
    (directory / "inventory.yml").write_text(json.dumps(HERE))
    process = lab_events.launch(
        lab.paths, directory / "rulebook.yml", ["--inventory", str(directory / "inventory.yml")]
    )
    try:
        lab_events.await_listening(process, port, lab.paths.logs / "rulebook.log")
        seconds = []
        for number in range(THEIR_EVENTS):
            started = time.monotonic()
            requests.post(f"http://127.0.0.1:{port}/", json={"number": number}, timeout=60)
            _until((mark / str(number)).exists, "their playbook to start")
            seconds.append(time.monotonic() - started)
    finally:
        processes.end_all([process])
    theirs = statistics.median(seconds)
    ours = next(one.value for one in outcome.figures if one.name == "received to the start of its playbook, median")
    outcome.figures.append(
        harness.Figure(
            "a rule with run_playbook: posted to its first task, median", theirs, "s", f"{ours / theirs:.2f} of it"
        )
    )
    outcome.notes.append("theirs keeps nothing: what comes in while it is away, or dies with it, is lost")


# Helpers


@contextmanager
def _worker(place: Place, *arguments: str) -> Iterator[Path]:
    """A worker while the block runs; what it says is in the file."""
    state = Path(place.env["XDG_STATE_HOME"])
    state.mkdir(parents=True, exist_ok=True)
    log = state / f"worker-{time.monotonic_ns()}.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "msp_cli/__main__.py", "worker", "--reports", str(state / "reports"), *arguments],
            cwd=harness.ROOT,
            env=place.env,
            stderr=stream,
        )
        try:
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT)


def _must(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=harness.ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")


def _until(condition: Callable[[], Any], what: str) -> None:
    if not processes.wait_until(lambda: bool(condition()), WAIT):
        raise RuntimeError(f"not within {WAIT:g} seconds: {what}")
