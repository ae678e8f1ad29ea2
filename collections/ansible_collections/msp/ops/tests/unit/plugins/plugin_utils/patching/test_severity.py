# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worst word counts, whoever says it; of equal words the more trusted speaker is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import severity
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import RULES, SEVERITIES
from ansible_collections.msp.ops.plugins.plugin_utils.patching.severity import Claim

CLAIMS = st.builds(
    Claim, st.sampled_from(SEVERITIES), st.sampled_from(RULES), st.sampled_from("ab"), st.sampled_from((None, 1.0, 9.8))
)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Critical", "critical"),
        ("Important", "high"),
        (" moderate ", "medium"),
        ("Low", "low"),
        ("negligible", "low"),
        ("None", "unknown"),
        ("not yet assigned", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_vendors_word_is_one_of_ours_or_unknown(word: str, expected: str) -> None:
    assert severity.of_word(word) == expected


@pytest.mark.parametrize(
    ("score", "expected"),
    [(10.0, "critical"), (9.0, "critical"), (8.9, "high"), (7.0, "high"), (6.9, "medium"), (4.0, "medium"),
     (3.9, "low"), (0.0, "low")],
)  # fmt: skip
def test_a_score_has_a_band(score: float, expected: str) -> None:
    assert severity.of_score(score) == expected


def test_of_equal_words_the_more_trusted_speaker_is_kept() -> None:
    claims = [Claim("high", "cvss", "a", 8.0), Claim("high", "vendor", "z"), Claim("medium", "known exploited", "k")]

    assert severity.worst(claims) == Claim("high", "vendor", "z")


def test_a_word_that_says_nothing_is_no_word() -> None:
    assert severity.worst([Claim("unknown", "vendor", "a")]) is None
    assert severity.worst([]) is None


@pytest.mark.thorough
@given(st.lists(CLAIMS, max_size=5), CLAIMS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_one_more_word_never_makes_it_less_and_the_order_means_nothing(
    claims: list[Claim], more: Claim, random: object
) -> None:
    before = severity.worst(claims)
    mixed = [*claims, more]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    after = severity.worst(mixed)

    assert after == severity.worst([more, *claims])
    if before is not None:
        assert after is not None
        assert SEVERITIES.index(after.severity) <= SEVERITIES.index(before.severity)
