# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who takes a host's processors or memory, and when that unit is restarted."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.runbooks import high_load, processes
from ansible_collections.msp.ops.plugins.module_utils.runbooks.processes import Moment, Process

GB = 10**9
PROCESSES = st.builds(
    Process,
    number=st.integers(2, 99),
    command=st.text(max_size=5),
    user=st.just("app"),
    unit=st.sampled_from(["", "app.service", "db.service"]),
    state=st.sampled_from(["R", "S", "D"]),
    cpus=st.floats(0, 4),
    memory=st.integers(0, GB),
)


def moment(*found: Process, busy: float | None = 0.95, waiting: float | None = 0.0, free: int = GB) -> Moment:
    return Moment(list(found), 2, busy, waiting, 4.2, 8 * GB, free, 0)


def process(number: int, unit: str = "", cpus: float = 0.0, memory: int = 0, state: str = "S") -> Process:
    return Process(number, f"p{number}", "app", unit, state, cpus, memory)


def asked(found: Moment, restartable: list[str], memory: bool = False) -> str:
    taken = high_load.judge(found, memory=memory)
    return high_load.not_ours(high_load.culprit(taken, memory=memory), taken, restartable, memory=memory)


def test_a_units_processes_are_added_up_and_the_unit_is_the_culprit() -> None:
    found = moment(*(process(number, "app.service", 0.4) for number in range(2, 5)), process(9, "", 0.5))
    taken = high_load.judge(found, memory=False)
    guilty = high_load.culprit(taken, memory=False)
    assert guilty is not None and (guilty.unit, guilty.processes) == ("app.service", 3)
    assert asked(found, ["app.service"]) == ""
    assert "not on the customer's list" in asked(found, ["db.service"])


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (
            moment(process(2, "a.service", 0.4), process(3, "b.service", 0.4), process(4, "c.service", 0.4)),
            "no single one",
        ),
        (moment(process(2, "", 1.9)), "in no unit of the system"),
        (moment(process(2, "a.service", 0.1), *(process(n, "", 0, 0, "D") for n in (3, 4, 5))), "wait for a disk"),
    ],
)
def test_where_it_is_not_clear_nothing_is_restarted(found: Moment, why: str) -> None:
    assert why in asked(found, ["a.service", "b.service", ""])


def test_for_memory_what_counts_is_who_has_most_of_it() -> None:
    found = moment(process(2, "db.service", 0, 5 * GB), process(3, "app.service", 2.0, GB))
    assert asked(found, ["db.service"], memory=True) == ""
    assert high_load.judge(found, memory=True).percent == 88


@pytest.mark.thorough
@given(st.lists(PROCESSES, max_size=8), st.lists(st.sampled_from(["app.service", "x.service", ""])), st.booleans())
def test_only_what_is_listed_and_takes_most_is_ever_restarted(
    found: list[Process], restartable: list[str], memory: bool
) -> None:
    taken = high_load.judge(moment(*found), memory=memory)
    guilty = high_load.culprit(taken, memory=memory)
    if guilty and not high_load.not_ours(guilty, taken, restartable, memory=memory):
        assert guilty.unit and guilty.unit in restartable
        assert guilty.amount >= sum(one.amount for one in taken.takers) / 2
    assert all(line.isprintable() for line in high_load.tell(moment(*found), taken, memory=memory))


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (moment(busy=0.95), True),
        (moment(busy=0.5, waiting=0.45), True),
        (moment(busy=0.5), False),
        (moment(process(2, cpus=1.9), busy=None, waiting=None), True),
        (moment(process(2, cpus=0.1), busy=None, waiting=None), False),
        (moment(process(2, state="D"), process(3, state="D"), busy=0.1), True),
    ],
)
def test_a_host_is_overloaded_by_work_or_by_its_disk_and_a_container_by_its_own(found: Moment, problem: bool) -> None:
    assert high_load.problem(found, high_load.judge(found, memory=False), 90, memory=False) is problem


def test_a_name_with_brackets_and_blanks_is_read() -> None:
    rest = " ".join(str(number) for number in range(4, 53))
    found = processes.parse_stat(f"12 (a) b (c) S 7 {rest}")
    assert (found.number, found.command, found.state, found.parent) == (12, "a) b (c", "S", 7)


@pytest.mark.thorough
def test_a_process_that_computes_is_seen_to_keep_a_processor_busy() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            found = processes.watch(Host(), 0.5, own_kernel=True)
        finally:
            child.kill()
    mine = next(one for one in found.processes if one.number == child.pid)
    assert mine.cpus > 0.05 and mine.memory > 1_000_000 and 0 < (found.busy or 0) <= 1
