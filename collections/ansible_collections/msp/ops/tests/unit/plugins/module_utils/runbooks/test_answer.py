# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a runbook answers: success only of what was measured, and sentences that are safe to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, words


@given(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=2))
def test_it_is_mended_only_where_the_measurement_after_it_finds_nothing_wrong(left: str, did: list[str]) -> None:
    found = answer.acted([], did, {"a": 1}, {"a": 2}, left)
    assert (found.outcome == answer.MENDED) is (left == "")
    assert found.reason == left and found.as_dict()["changed"] is bool(did)


def test_a_preview_counts_as_a_change_with_its_difference_and_the_rest_does_not() -> None:
    found = answer.would_mend(["full"], {"percent_used": 93}, ["clean"]).as_dict()
    assert (found["changed"], found["did"], found["would"]) == (True, [], ["clean"])
    assert found["diff"] == {"before": {"percent_used": 93}, "after": {"would": ["clean"]}}
    for one in (answer.nothing_to_do([], {}), answer.gave_up([], {}, "x")):
        assert one.as_dict()["changed"] is False and "diff" not in one.as_dict()


def test_the_need_of_a_restart_is_no_success() -> None:
    found = answer.gave_up([], {}, "not yet", needs=answer.REBOOT).as_dict()
    assert (found["outcome"], found["needs"], found["changed"]) == (answer.GAVE_UP, "reboot", True)


@given(st.text())
def test_what_a_host_says_is_one_short_printable_line(text: str) -> None:
    found = words.plain(text)
    assert len(found) <= words.LONGEST and found.isprintable() and found == found.strip()
    assert words.plain(found) == found


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("login with password=hunter2 failed", "hunter2"),
        ("db_password: hunter2", "hunter2"),
        ('{"api_key": "abc123"}', "abc123"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("postgresql://shop:hunter2@db/x", "hunter2"),
        ("--token abc123", "abc123"),
        ("SECRET_KEY='two words'", "two words"),
    ],
)
def test_what_looks_like_a_secret_is_not_shown(text: str, hidden: str) -> None:
    assert hidden not in words.plain(text) and words.HIDDEN in words.plain(text)


@pytest.mark.parametrize("text", ["Failed password for invalid user", "the token is gone", "key not found: /etc/x"])
def test_words_about_secrets_stay(text: str) -> None:
    assert words.plain(text) == text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7200, "2 hours"),
        (200000, "2 days"),
    ],
)
def test_a_length_of_time_is_said_in_one_unit(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


@pytest.mark.parametrize(("count", "said"), [(0, "0 bytes"), (999, "999 bytes"), (4_200_000_000, "4.2 GB")])
def test_a_size_is_said_as_people_say_it(count: int, said: str) -> None:
    assert words.size(count) == said
