# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Summary, digests, and what changed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.audit import digest

FACTS: dict[str, Any] = {
    "os": {"name": "Debian GNU/Linux 12", "version": "12.11", "support_end": "2028-06-30"},
    "machine": {"serial": "EXS7K2041"},
    "hostname": {"name": "srv01", "fqdn": None},
    "updates": {"known": True, "total": 3, "security": 1, "pending": []},
    "patches": {"last": "2026-03-01T10:00:00Z", "history": []},
    "reboot": {"needed": False, "reasons": []},
    "encryption": {"root": True},
}


def test_the_summary_has_what_a_helpdesk_asks_first() -> None:
    assert digest.summary(FACTS) == {
        "os": "Debian GNU/Linux 12",
        "os_version": "12.11",
        "support_end": "2028-06-30",
        "serial": "EXS7K2041",
        "hostname": "srv01",
        "pending": 3,
        "security": 1,
        "last_patched": "2026-03-01T10:00:00Z",
        "reboot_needed": False,
        "encrypted": True,
    }


def test_unknown_updates_are_null_in_the_summary_and_never_zero() -> None:
    found = digest.summary(
        {**FACTS, "updates": {"known": False, "total": 0, "security": 0}, "os": None, "machine": None}
    )

    assert (found["pending"], found["security"], found["os"], found["serial"]) == (None, None, None, None)


def test_a_changed_section_is_named_and_the_others_are_not() -> None:
    before = digest.section_digests(FACTS)
    after = digest.section_digests({**FACTS, "hostname": {"name": "srv02", "fqdn": None}})

    assert digest.changed_sections(before, after) == ["hostname"]
    assert digest.changed_sections(before, before) == []


def test_without_an_earlier_audit_nobody_says_what_changed() -> None:
    assert digest.changed_sections(None, digest.section_digests(FACTS)) is None


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers()), st.dictionaries(st.sampled_from("abcdef"), st.integers())
)
def test_the_changed_sections_are_exactly_those_that_differ(before: dict[str, int], after: dict[str, int]) -> None:
    found = digest.changed_sections(digest.section_digests(before), digest.section_digests(after))

    differing = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    assert found == (differing if before else None)
