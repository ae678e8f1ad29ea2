# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The view in a terminal: all that matters is on it, nothing that a host says is obeyed, and it fits."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import live_view, progress_lines
from ansible_collections.msp.ops.plugins.plugin_utils.patching.live_view import BAR, COLOUR, coloured, shares, view
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress import ORDER, HostNow, RingNow
from ansible_collections.msp.ops.plugins.plugin_utils.patching.watching import Watched
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import HOUR, MINUTE
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.test_watching import AT, HOSTS, result, told


def drawn(watched: Watched, now: Any = AT, width: int = 100, *, colour: bool = False) -> str:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=colour, color_system="standard" if colour else None).print(
        view(watched, now)
    )
    return file.getvalue()


def test_a_person_sees_rings_hosts_by_state_the_window_and_the_end() -> None:
    watched = Watched().heard(told(language="en")).ended("db1", result("failed", reason="nginx is down"), AT)

    said = drawn(watched)

    for words in (
        "r1 (security): active, 1 of 4 hosts done",
        "1 patched",
        "2 at work, 1 failed",
        "db2: at work since 2026-06-11 22:00 CEST",
        "db1: failed since 2026-06-11 23:00 CEST: nginx is down",
        "takes hosts until 2026-06-12 01:00 CEST, 120 min left".replace("120 min", "2 h 0 min"),
        "likely done",
        "deadline",
    ):
        assert words in " ".join(said.split()), words


def test_the_time_that_is_left_runs_with_the_clock_and_the_window_closes() -> None:
    watched = Watched().heard(told(language="en"))
    assert "75 min left" in drawn(watched, AT + 45 * MINUTE)
    assert "takes no more hosts since 2026-06-12 01:00 CEST" in drawn(watched, AT + 2 * HOUR)


def test_it_speaks_dutch() -> None:
    said = drawn(Watched().heard(told()))
    assert "r1 (beveiliging): bezig, 1 van 4 apparaten klaar" in said
    assert "venster" in said and "waarschijnlijk klaar" in said


HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]markup[/] :bomb: [link=http://x]y[/link]\r\nnext line\u202e"


def test_what_a_host_says_is_words_and_nothing_else() -> None:
    watched = Watched().heard(told(language="en")).ended("db1", result("failed", reason=HOSTILE), AT)
    for said in (drawn(watched, width=400), "\n".join(progress_lines.begun(watched, AT))):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", said)
        assert "[bold red]markup[/] :bomb: [link=http://x]y[/link]" in said
    assert not re.search(r"\x1b(?!\[[0-9;]*m)", drawn(watched, width=400, colour=True))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_in_any_terminal(width: int) -> None:
    many = Watched().heard(told())
    (one,) = many.rollouts
    hosts = tuple(HostNow(f"host{n:02}." + "x" * 60, "broad", "lost", AT, "no answer " * 9) for n in range(30))
    many = replace(many, rollouts=(replace(one, hosts=hosts),))
    said = drawn(many, width=width)
    assert max(len(line) for line in said.splitlines()) <= width
    assert "en nog 22 apparaten" in " ".join(said.split())


def test_every_state_has_a_colour() -> None:
    assert set(COLOUR) == set(ORDER)


@given(st.dictionaries(st.sampled_from(ORDER), st.integers(1, 5000), max_size=len(ORDER)), st.integers(len(ORDER), 80))
@settings(max_examples=40, deadline=None)
def test_a_bar_is_as_long_as_it_should_be_and_hides_nobody(hosts: Mapping[str, int], cells: int) -> None:
    ring = RingNow("broad", "active", hosts, None)
    found = shares(ring, cells)
    assert set(found) == set(hosts)
    assert not hosts or sum(found.values()) == cells
    assert all(number >= 1 for number in found.values())
    assert len(coloured(ring).plain) == (BAR if hosts else 0)


def test_without_the_library_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "LIBRARY_ERROR", ImportError("No module named 'rich'"))
    with pytest.raises(MspError) as refused:
        live_view.required()
    assert (refused.value.code, refused.value.found) == ("MSP-PAT-163", "No module named 'rich'")


# Without a terminal


def test_in_plain_lines_each_host_that_ends_says_how_far_it_all_is() -> None:
    first = Watched().heard(told(language="en"))
    after = first.ended("db1", result("patched"), AT)
    assert progress_lines.ended(first, after, "db1", result("patched"), AT) == (
        "db1: patched; 2 of 4 done, 2 at work; the window takes hosts for 2 h 0 min"
    )
    last = after.ended("db2", {"unreachable": True, "msg": "no route"}, AT + 3 * HOUR)
    assert progress_lines.ended(after, last, "db2", {"unreachable": True, "msg": "no route"}, AT + 3 * HOUR) == (
        "db2: lost: no route; 2 of 4 done, 1 at work"
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"state": "working", "result": None}, "db1: bezig; 1 van 4 klaar, 3 bezig"),
        ({"healthy": True}, "db1: in orde; 1 van 4 klaar, 3 bezig"),
        ({"healthy": False, "why": "port 22"}, "db1: niet in orde: port 22; 1 van 4 klaar, 3 bezig"),
    ],
)
def test_who_is_at_work_still_or_was_only_checked_says_that(said: dict[str, Any], words: str) -> None:
    first = Watched().heard(told())
    found = progress_lines.ended(first, first.ended("db1", said, AT), "db1", said, AT)
    assert found.startswith(words)
    assert progress_lines.ended(first, first, "till", said, AT) == ""


def test_only_rollouts_that_ask_somebody_are_told_of() -> None:
    assert len(list(progress_lines.begun(Watched().heard(told()), AT))) > len(HOSTS)
    assert list(progress_lines.begun(Watched().heard(told(tasks={})), AT)) == []
