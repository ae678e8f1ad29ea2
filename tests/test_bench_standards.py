"""The bench of standards compares what it says: hosts that are well, controls that hold, times and tasks per host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from bench import _standard_wharf, standards
from bench.harness import Process
from bench.standards import CHECK, FIRST, SECOND, Turn

RECAP = "{name:<26} : ok={ok}   changed={changed}    unreachable=0    failed={failed}    skipped=3    rescued=0\n"


def took(
    seconds: float, ok: int = 10, changed: int = 0, failed: int = 0, hosts: Sequence[str] = standards.NAMES
) -> Process:
    lines = [RECAP.format(name=name, ok=ok, changed=changed, failed=failed) for name in hosts]
    return Process(seconds, seconds / 2, 100.0, "PLAY RECAP ****\n" + "".join(lines))


def turn(first: float, second: float, check: float, ok: int = 10) -> Turn:
    return Turn({FIRST: took(first, ok=3 * ok, changed=9), SECOND: took(second, ok=ok), CHECK: took(check, ok=ok)})


def test_the_ratios_are_those_of_the_medians_of_second_apply_and_check() -> None:
    ours = [turn(60, 8, 5), turn(60, 10, 6), turn(60, 30, 7)]
    theirs = [turn(40, 20, 10), turn(40, 22, 12)]

    second, check = standards.outcome(ours, theirs, 70).targets

    assert (second.value, second.met) == (10 / 21, True)
    assert (check.value, check.met) == (6 / 11, False)
    assert {second.limit, check.limit} == {0.5}


def test_seconds_are_of_one_host_and_tasks_and_controls_per_second_of_all() -> None:
    found = standards.outcome([turn(60, 8, 5, ok=7)], [turn(40, 20, 10, ok=42)], 70)

    figures = {one.name: one.value for one in found.figures}
    assert (figures["standardise, first apply: time"], figures["standardise, second apply: time"]) == (30, 4)
    assert (figures["standardise, second apply: tasks"], figures["plain play, check: tasks"]) == (14, 84)
    assert (figures["standardise, check: controls"], figures["plain play, second apply: controls"]) == (14, 3.5)


def test_a_host_that_is_not_in_the_recap_or_failed_ends_the_bench() -> None:
    assert standards.recap(took(1, ok=5, changed=2)) == dict.fromkeys(standards.NAMES, (5, 2))
    long = [f"{name}.bench-wharf" for name in standards.NAMES]
    assert standards.recap(took(1, hosts=[*long, "localhost"])) == dict.fromkeys(
        [*standards.NAMES, "localhost"], (10, 0)
    )
    with pytest.raises(RuntimeError, match=standards.NAMES[0]):
        standards.recap(took(1, failed=1))
    with pytest.raises(RuntimeError, match=standards.NAMES[1]):
        standards.recap(took(1, hosts=standards.NAMES[:1]))


def test_controls_that_do_not_hold_are_no_comparison() -> None:
    assert standards.applying({"a": ["compliant", "fixed"], "b": ["compliant", "not applicable"]}) == 3
    for wrong in ({"a": ["compliant", "drift"]}, {"a": ["unknown"]}, {}):
        with pytest.raises(RuntimeError, match="every control to hold"):
            standards.applying(wrong)


class Made:
    """A place in which plays only have an output."""

    def __init__(self, *found: Process) -> None:
        self.found, self.asked = list(found), list[tuple[str, ...]]()

    def play(self, *arguments: str) -> Process:
        self.asked.append(arguments)
        return self.found.pop(0)


def test_a_turn_is_two_applies_and_a_check_and_only_the_first_may_change_anything() -> None:
    place: Any = Made(took(3, changed=4), took(2), took(1))
    done = standards._turn(place, "play.yml")
    assert [done.steps[step].seconds for step in (FIRST, SECOND, CHECK)] == [3, 2, 1]
    assert place.asked == [("play.yml",), ("play.yml",), ("play.yml", "--check")]

    changing: Any = Made(took(3), took(2, changed=1), took(1))
    with pytest.raises(RuntimeError, match="second apply changes 2 things"):
        standards._turn(changing, "play.yml")


def test_both_take_all_hosts_at_once_and_the_plain_play_has_no_module_of_ours() -> None:
    (ring,) = _standard_wharf.PLAN["rings"]
    assert (_standard_wharf.PLAN["rates"]["at_once"], ring["successes"]) == (2, 2)

    (play,) = yaml.safe_load(standards.PLAIN.read_text())
    modules = [key for task in play["tasks"] for key in task if "." in key]
    assert len(modules) == len(play["tasks"]) > 30
    assert {key.rpartition(".")[0] for key in modules} == {"ansible.builtin"}
