"""Rollouts when what carries them fails: controllers that are killed or held up at every single step, several of them
at once, a store or a NetBox that goes away.

The store is real, SQLite and PostgreSQL, and each controller is a process of its own. The hosts are made: files that
remember what was done to them. Real hosts are in test_patch_faults_hosts.py and test_patch_install.py.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans, rollouts, steering
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Round, Setting, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import Work
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assignment, assign
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult, Judged, Scan, Update
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.made_desk import CONTENT
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.test_rollout_world import steps_were_allowed
from lab import paths, postgres, processes, scratch

# Forked, so that no test waits for imports; each opens the store itself, as a timer or another controller would.
CONTEXT = multiprocessing.get_context("fork")
MEMBERS = tuple(
    Member(f"device:{number}", f"pc0{number}", frozenset({"msp-ring-pilot"} if number == 1 else ()))
    for number in (1, 2, 3)
)
CANARY = "pc01"
WAIT = 600
# SQLite's clock counts milliseconds: two moments that are less than this apart may look the same.
CLOCKS = 0.005
# A rollout of three hosts in two rings takes a handful of ticks, and some more where a controller died.
MOST_TICKS = 25
# What a controller meets that is not alone: somebody has the lease, had it meanwhile, or wrote under a later one.
OTHERS = ("MSP-EVD-015", "MSP-EVD-019", "MSP-EVD-020", "MSP-PAT-155")
BACK = {**CONTENT, "rollback": "downgrade"}


def assignment(content: Mapping[str, Any]) -> Assignment:
    return assign((member, {"msp_patch_plan": content}) for member in MEMBERS)


@contextlib.contextmanager
def netbox() -> Iterator[Any]:
    """NetBox is asked for plans alone, and those are made."""
    yield None


@dataclass
class Yard:
    """The hosts of one customer, each a file. outcomes: what becomes of a host's attempts, where that is not "patched".

    taken_over: a moment (by the clock of this machine) at which another controller took the lease over because it had
    run out. Tests let no time pass; so whatever was asked to be begun before then is taken to be asked too late.
    """

    place: Path
    outcomes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def answer(self, work: Work) -> Mapping[str, Any]:
        """What msp.ops.patch_install returns for a host."""
        with (self.place / work.host).open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            kept = json.loads(file.read() or '{"record": null, "installs": 0, "backs": 0}')
            answer = self._do(work, kept)
            file.truncate(0)
            file.write(json.dumps(kept))
            return answer

    def _do(self, work: Work, kept: dict[str, Any]) -> Mapping[str, Any]:
        if work.operation == "check":
            return {"state": "finished", "healthy": kept["record"] == "patched", "why": ""}
        if work.operation != "look" and not self._late(work.arguments["begin_by"]):
            kept["at"] = dt.datetime.now(dt.UTC).isoformat()
            if work.operation == "rollback":
                kept["record"], kept["backs"] = "rolled back", kept["backs"] + 1
            elif kept["record"] != "patched":  # else it says again what it did
                so_far = self.outcomes.get(work.host.partition(".")[0], ())
                kept["record"] = so_far[kept["installs"]] if kept["installs"] < len(so_far) else "patched"
                kept["installs"] += 1
        elif work.operation != "look":
            return {"state": "none", "result": None}
        if kept["record"] is None:
            return {"state": "none", "result": None}
        asset = next(one.key for one in MEMBERS if one.name == work.host.partition(".")[0])
        result = HostResult(work.host, asset, kept["record"], dt.datetime.fromisoformat(kept["at"]), healthy=True)
        return {"state": "finished", "result": installing.plain(result)}

    def _late(self, begin_by: str) -> bool:
        try:
            taken_over = float((self.place / "taken over").read_text())
        except FileNotFoundError:
            return False
        asked_at = dt.datetime.fromisoformat(begin_by).timestamp() - WAIT - rollouts.MARGIN + rollouts.LAST_BEGIN
        return asked_at + CLOCKS < taken_over

    def take_over(self) -> None:
        """Only once the clock has moved on for certain, so that whatever was asked before this is late, however little
        before."""
        called = time.time()
        while (now := time.time()) <= called + 2 * CLOCKS:
            time.sleep(CLOCKS)
        (self.place / "taken over").write_text(str(now))

    def kept(self, host: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.place / host).read_text()))
        except FileNotFoundError:
            return {"record": None, "installs": 0, "backs": 0}


@dataclass
class Office:
    """One customer: its store, its hosts, and controllers for it."""

    url: str
    slug: str
    yard: Yard
    kept_open: Store | None = None
    netbox: Callable[[], contextlib.AbstractContextManager[Any]] = netbox

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """kept_open, which opens its connection anew in each process; else one for this once, as the action does."""
        if self.kept_open is not None:
            yield self.kept_open
            return
        with Store.open(self.url) as store:
            yield store

    @property
    def hosts(self) -> dict[str, str]:
        return {member.key: f"{member.name}.{self.slug}" for member in MEMBERS}

    def round(self, tick: Tick | None = None, answers: Mapping[str, Any] | None = None, *, last: bool = False) -> Round:
        setting = Setting(self.slug, self.hosts, WAIT, last=last, by="timer")
        with self.store() as store:
            return rollouts.round_of(store, self.netbox, setting, tick, answers or {})

    def tick(self, point: Callable[[], None] = lambda: None) -> Round:
        """A whole run of playbooks/patch.yml. point is called between any two steps that leave something behind."""
        point()
        found = self.round()
        for last in (False, True):
            if found.tick.work:
                answers = {}
                for work in found.tick.work:
                    answers[work.host] = self.yard.answer(work)
                    point()
                found = self.round(Tick.of(found.tick.as_dict()), answers, last=last)
        return found

    def rollout(self) -> Rollout:
        with self.store() as store:
            (stored,) = store.rollouts(self.slug)
        return fold(stored.id, events.of(stored))

    def at_rest(self) -> bool:
        """Nothing goes on by itself any more."""
        with self.store() as store:
            known = store.rollouts(self.slug)
        return bool(known) and (fold(known[0].id, events.of(known[0])).over)

    def to_the_end(self) -> None:
        for _unused in range(MOST_TICKS):
            if self.at_rest():
                return
            self.tick()
        raise AssertionError(self.rollout())

    def lease_runs_out(self) -> None:
        """As it does by itself after a while, when the controller that had it is gone."""
        with self.store() as store:
            store.database.write(lambda connection: connection.exec_driver_sql("UPDATE leases SET expires = 0"))
        self.yard.take_over()

    def check(self, content: Mapping[str, Any]) -> Rollout:
        """Every host is what the rollout says, none was patched twice, and every step was one that may follow."""
        with self.store() as store:
            (stored,) = store.rollouts(self.slug)
        history = events.of(stored)
        rollout = fold(stored.id, history)
        for name, host in rollout.hosts.items():
            real = self.yard.kept(name)
            assert (host.state == "patched") == (real["record"] == "patched"), f"{name}: {host.state}, {real}"
            assert real["installs"] <= 1 + real["backs"] + len(self.yard.outcomes.get(name.partition(".")[0], ())), real
            assert rollout.over is False or host.done or name in rollout.undone, f"{name} is forgotten"
        assert not rollout.working()
        (one,) = assignment(content).plans
        planned = history[0]
        assert isinstance(planned, events.Planned)
        steps_were_allowed(one.plan, planned, history)
        return rollout


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store with its tables; in memory, where kill -9 loses as little as on a disk, and writes cost no time."""
    if request.param == "postgresql":
        found = str(request.getfixturevalue("postgres_url"))
        Store.open(found, upgrade=True).close()
        yield found
        return
    place = (paths.memory() or paths.cache()) / f"faults-{os.getpid()}"
    place.mkdir()
    try:
        monkeypatch.setenv("MSP_DURABLE_PATHS", str(place))
        found = f"sqlite:///{place / 'evidence.db'}"
        Store.open(found, upgrade=True).close()
        yield found
    finally:
        shutil.rmtree(place)


@pytest.fixture
def offices(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Office]]:
    """Makes customers, each with one update that waits on its three hosts."""
    numbers = itertools.count(1)

    def make(content: Mapping[str, Any] = CONTENT, **outcomes: tuple[str, ...]) -> Office:
        monkeypatch.setattr(patch_plans, "plans_of_slug", lambda *_arguments: assignment(content))
        slug = f"office-{next(numbers)}"
        place = tmp_path / slug
        place.mkdir()
        made = Office(url, slug, Yard(place, outcomes), kept)
        now = dt.datetime.now(dt.UTC)
        found = Judged(Update("openssl", "amd64", "1", "2", "Lab/main", True), "security", "high", "vendor", "")
        kept.record_scans(
            Scan(slug, asset, host, kept.now(), "ok", "debian-12", "apt", (found,), now)
            for asset, host in made.hosts.items()
        )
        return made

    with Store.open(url, timeout=60) as kept:
        yield make


def _controller(office: Office, number: int, what: signal.Signals) -> None:
    """Ticks to the end; at its step of this number it gets this signal from itself."""
    count = itertools.count(1)

    def point() -> None:
        if next(count) == number:
            os.kill(os.getpid(), what)

    def around(method: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*arguments: Any) -> Any:
            found = method(*arguments)
            point()
            return found

        return inner

    for name in ("append_event", "record_rollout"):
        setattr(Store, name, around(getattr(Store, name)))
    for _unused in range(MOST_TICKS):
        if office.at_rest():
            return
        try:
            office.tick(point)
        except MspError as error:
            if error.code not in OTHERS:
                raise


def controller(office: Office, number: int, what: signal.Signals) -> BaseProcess:
    process = CONTEXT.Process(target=_controller, args=(office, number, what))
    process.start()
    return process


@pytest.mark.parametrize(
    ("url", "fails", "apart"),
    [("sqlite", False, 1), ("postgresql", False, 3), ("sqlite", True, 1)],
    ids=["all goes well", "all goes well, on PostgreSQL", "the canary fails and goes back"],
    indirect=["url"],
)
def test_a_controller_that_is_killed_at_any_step_is_gone_on_with_by_the_next(
    offices: Callable[..., Office], fails: bool, apart: int
) -> None:
    """kill -9 before the first write, and after every write and every answer of a host, until none is left.

    apart: how many steps lie between two that are tried. On PostgreSQL it is the transactions that are shown to end
    well, and a few do.
    """
    content = BACK if fails else CONTENT
    for number in itertools.count(1, apart):
        office = offices(content, **({CANARY: ("failed",)} if fails else {}))
        process = controller(office, number, signal.SIGKILL)
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        office.lease_runs_out()
        office.to_the_end()
        rollout = office.check(content)
        assert rollout.side == ("rolled back" if fails else None), f"killed at step {number}"
        assert [host.state for host in rollout.hosts.values()] == (
            ["rolled back", "waiting", "waiting"] if fails else ["patched"] * 3
        )
    office.check(content)
    assert number > 10, "it was killed at hardly any step"


def _stopped(process: BaseProcess) -> bool:
    """Wait until a process has stopped itself (True) or ended (False)."""
    assert process.pid is not None
    found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_controller_that_is_held_up_at_any_step_does_nothing_after_somebody_aborted_the_rollout(
    offices: Callable[..., Office],
) -> None:
    """It wakes up when its lease has run out, another controller has gone on, and the rollout is over."""
    for number in itertools.count(1):
        office = offices()
        process = controller(office, number, signal.SIGSTOP)
        try:
            if not _stopped(process):
                break
            office.lease_runs_out()
            with office.store() as store:
                if not store.rollouts(office.slug, open_only=True):
                    continue
                said = {"customer": office.slug, "action": "abort", "rollout": "", "manifest": ""}
                steering.asked(store, {**said, "by": "anna", "reason": "wrong day"}, check=False)
            office.to_the_end()
            before = {name: office.yard.kept(name) for name in office.hosts.values()}
        finally:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGCONT)
            process.join(60)
        assert process.exitcode == 0, f"held up at step {number}"
        assert {name: office.yard.kept(name) for name in office.hosts.values()} == before, f"held up at step {number}"
        assert office.check(CONTENT).side == "aborted"
    assert number > 10, "it was held up at hardly any step"


def test_several_controllers_at_once_some_of_which_die_patch_every_host_once(offices: Callable[..., Office]) -> None:
    for seed in range(3):
        office = offices()
        chosen = random.Random(seed)  # noqa: S311 (no secret)
        for _unused in range(MOST_TICKS):
            running = [controller(office, chosen.randrange(1, 60), signal.SIGKILL) for _each in range(3)]
            for process in running:
                process.join(60)
            assert {process.exitcode for process in running} <= {0, -signal.SIGKILL}
            if office.at_rest():
                break
            office.lease_runs_out()
        rollout = office.check(CONTENT)
        assert [host.state for host in rollout.hosts.values()] == ["patched"] * 3


def test_of_controllers_that_begin_at_the_very_same_moment_one_plans_and_the_others_are_refused(
    offices: Callable[..., Office],
) -> None:
    office = offices()
    gate, told = CONTEXT.Barrier(4), CONTEXT.SimpleQueue()

    def begin() -> None:
        gate.wait(60)
        try:
            told.put(len(office.round().tick.work))
        except MspError as error:
            told.put(error.code)

    processes_ = [CONTEXT.Process(target=begin) for _unused in range(4)]
    for process in processes_:
        process.start()
    said = [told.get() for _unused in processes_]
    for process in processes_:
        process.join(60)

    assert sorted(said, key=str) == [1, "MSP-EVD-015", "MSP-EVD-015", "MSP-EVD-015"]
    assert [host.begins for host in office.rollout().hosts.values()] == [1, 0, 0]


def test_a_netbox_that_is_away_every_other_time_only_makes_it_take_longer(offices: Callable[..., Office]) -> None:
    for seed in range(3):
        office = offices()
        chosen = random.Random(seed)  # noqa: S311 (no secret)

        @contextlib.contextmanager
        def sometimes(chosen: random.Random = chosen) -> Iterator[Any]:
            if chosen.randrange(2):
                raise MspError("MSP-REG-001", "NetBox to answer", "nothing", "start it")
            yield None

        office.netbox, away = sometimes, 0
        while not office.at_rest():
            try:
                office.tick()
            except MspError as error:
                assert error.code == "MSP-REG-001"
                away += 1
            assert away < 8 * MOST_TICKS, office.rollout()
        rollout = office.check(CONTENT)
        assert away > 0
        assert [(host.state, host.begins) for host in rollout.hosts.values()] == [("patched", 1)] * 3


class Away:
    """A store that can be taken away and brought back: PostgreSQL's server ended, SQLite's files moved."""

    def __init__(self, kind: str, place: Path, cluster: postgres.Cluster | None) -> None:
        self.kind, self.place, self.cluster = kind, place, cluster
        if cluster is not None:
            cluster.create_database("away")
        self.url = cluster.url("away") if cluster is not None else f"sqlite:///{place / 'evidence.db'}"

    def take(self) -> None:
        if self.cluster is None:
            (self.place / "gone").mkdir()
            for file in self.place.glob("evidence.db*"):
                file.rename(self.place / "gone" / file.name)
            return
        data = self.cluster.data
        number = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(number, signal.SIGINT)
        assert processes.wait_until(lambda: not processes.serves(number, {str(data)}), 30)

    def bring(self) -> None:
        if self.cluster is None:
            for file in (self.place / "gone").iterdir():
                file.rename(self.place / file.name)
            (self.place / "gone").rmdir()
            return
        base = self.cluster.data.parent
        self.cluster.start(log=base / "again.log", mark=base, durable=False)


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL that these tests may end."""
    with scratch.cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def away(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Away]:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    cluster = request.getfixturevalue("own_cluster") if request.param == "postgresql" else None
    made = Away(request.param, tmp_path, cluster)
    Store.open(made.url, upgrade=True).close()
    yield made
    if cluster is not None:
        cluster.drop_database("away")


@pytest.mark.parametrize("at", ["the first round", "the second round", "the gate", "the last round"])
def test_a_store_that_goes_away_in_a_tick_is_named_and_what_hosts_did_meanwhile_is_asked_for(
    away: Away, at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_plans, "plans_of_slug", lambda *_arguments: assignment(CONTENT))
    office = Office(away.url, "office", Yard(tmp_path))
    found = Judged(Update("openssl", "amd64", "1", "2", "Lab/main", True), "security", "high", "vendor", "")
    with Store.open(away.url) as store:
        store.record_scans(
            Scan("office", asset, host, store.now(), "ok", "debian-12", "apt", (found,), dt.datetime.now(dt.UTC))
            for asset, host in office.hosts.items()
        )
    tick: Tick | None = None
    answers: dict[str, Any] = {}
    if at != "the first round":
        tick = office.round().tick
    if at == "the last round":  # the one before died when it had written that the host is begun
        office.lease_runs_out()
        tick = office.round().tick
    if tick is not None and at in ("the gate", "the last round"):
        tick = office.round(tick, {work.host: office.yard.answer(work) for work in tick.work}).tick
        assert {work.operation for work in tick.work} == {"check" if at == "the gate" else "start"}
    if tick is not None:
        assert tick.work
        answers = {work.host: office.yard.answer(work) for work in tick.work}

    away.take()
    try:
        with pytest.raises(MspError) as refused:
            office.round(tick, answers, last=at == "the last round")
    finally:
        away.bring()

    assert refused.value.code == ("MSP-EVD-001" if away.kind == "postgresql" else "MSP-EVD-002")
    if tick is not None:
        with pytest.raises(MspError) as held:
            office.tick()
        assert held.value.code == "MSP-EVD-015"
        office.lease_runs_out()
    office.to_the_end()
    rollout = office.check(CONTENT)
    assert [host.state for host in rollout.hosts.values()] == ["patched"] * 3
    assert [office.yard.kept(name)["installs"] for name in office.hosts.values()] == [1, 1, 1]
