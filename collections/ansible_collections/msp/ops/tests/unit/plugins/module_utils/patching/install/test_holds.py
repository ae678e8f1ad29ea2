# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One package that a host keeps back is left out, with what needs it, and the rest is installed all the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.patching.install import holds
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import Move
from ansible_collections.msp.ops.plugins.module_utils.patching.install.preflight import Todo
from ansible_collections.msp.ops.plugins.module_utils.patching.install.request import Package
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.patching.install.made_manager import MadeManager

NAMES = "abcdef"
PACKAGES = tuple(Package(name, "all", "2") for name in NAMES)


def manager(**held: str) -> MadeManager:
    found = MadeManager({f"{name}:all": "1" for name in NAMES})
    found.held = {f"{name}:all": why for name, why in held.items()}
    return found


def test_where_nothing_is_held_nobody_is_asked_for_it() -> None:
    asked = manager()

    assert holds.sort_out(Todo(PACKAGES), {}, asked, {}) == Todo(PACKAGES)
    assert asked.asked == []


def test_what_is_held_is_left_out_with_its_reason_and_the_rest_stays() -> None:
    found = holds.sort_out(Todo(PACKAGES), {}, manager(b="hold", d="pinned"), {})

    assert [one.name for one in found.needed] == ["a", "c", "e", "f"]
    assert found.left_out == ("b:all: hold", "d:all: pinned")


def test_what_needs_the_held_one_is_left_out_too_and_said() -> None:
    asked = manager(b="pinned")
    asked.bad = {"e:all=2": "e : Depends: b (= 2)"}

    found = holds.sort_out(Todo(PACKAGES), {}, asked, {})

    assert [one.name for one in found.needed] == ["a", "c", "d", "f"]
    assert found.left_out == ("b:all: pinned", "e:all: needs what is held")


def test_what_would_move_or_remove_the_held_one_is_left_out() -> None:
    asked = manager(b="phased 10 %")
    asked.brings = {"c:all=2": (Move("b:all", "1", "2", "Made:main"),)}

    found = holds.sort_out(Todo(PACKAGES), {}, asked, {})

    assert [one.name for one in found.needed] == ["a", "d", "e", "f"]


def test_what_would_drive_out_the_held_one_is_left_out() -> None:
    asked = manager(b="hold")
    asked.drives_out = {"c:all=2": "b"}

    found = holds.sort_out(Todo(PACKAGES), {}, asked, {})

    assert found.left_out == ("b:all: hold", "c:all: needs what is held")


def test_what_no_source_has_is_left_out_where_the_caller_says_so() -> None:
    why = holds.lacking(PACKAGES, ["c:all=2"], manager())

    found = holds.sort_out(Todo(PACKAGES), {}, manager(), why)

    assert why == {"c:all": "no source of this host has 2"}
    assert found.left_out == ("c:all: no source of this host has 2",)
    assert len(found.needed) == 5


def test_what_is_gone_is_another_reason_and_no_hold() -> None:
    asked = manager(b="hold")
    asked.gone = {"c:all=2"}

    found = holds.sort_out(Todo(PACKAGES), {}, asked, {})

    assert found.left_out == ("b:all: hold",)


def test_when_it_would_take_too_many_questions_the_manager_gives_its_own_reason() -> None:
    packages = tuple(Package(f"p{number}", "all", "2") for number in range(200))
    asked = MadeManager({one.key: "1" for one in packages})
    asked.held = {"p0:all": "hold"}
    asked.bad = {f"{one.key}=2": "no" for one in packages[1:]}

    found = holds.sort_out(Todo(packages), {}, asked, {})

    assert found.needed == packages[1:]
    assert len(asked.asked) == holds.MOST_ASKED


@settings(max_examples=100)
@given(st.sets(st.integers(0, 30)), st.integers(0, 31))
def test_all_that_go_by_themselves_are_found(bad: set[int], many: int) -> None:
    packages = [Package(f"p{number}", "all", "2") for number in range(many)]

    found = holds.fitting(lambda some: not any(int(one.name[1:]) in bad for one in some), [], packages)

    assert found == [one for one in packages if int(one.name[1:]) not in bad]
