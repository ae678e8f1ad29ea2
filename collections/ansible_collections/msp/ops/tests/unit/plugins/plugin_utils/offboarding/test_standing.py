# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on record of a host, what a refusal proves by it, and what is told of it in both languages."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.offboarding import standing
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words

AT = dt.datetime(2026, 11, 27, 20, 40, tzinfo=dt.UTC)


def event(action: str, asset: str = "device:12", host: str = "srv01", at: dt.datetime = AT) -> SecurityEvent:
    return SecurityEvent("bakkerij-jansen", asset, host, at, action, standing.SUBJECT, "noora")


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ("msp@192.0.2.7: Permission denied (publickey).", True),
        ("ssh: connect to host 192.0.2.7 port 22: Connection timed out", False),
        ("ssh: connect to host 192.0.2.7 port 22: Connection refused", False),
        ("Host key verification failed.", False),
        ("", False),
    ],
)
def test_only_a_server_that_was_reached_and_took_nothing_refuses(said: str, refusal: bool) -> None:
    assert standing.is_refusal(said) is refusal


def test_what_others_record_of_the_host_proves_nothing() -> None:
    assert standing.on_record([event("login granted"), event("secret in force")]) is None
    assert standing.on_record([event(standing.NEARLY), event("login granted")]) == standing.NEARLY
    assert standing.on_record([event(standing.NEARLY), event(standing.WITHDRAWN)]) == standing.WITHDRAWN


times = st.datetimes(min_value=dt.datetime(2020, 1, 1), max_value=dt.datetime(2040, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
events = st.lists(
    st.builds(
        event,
        st.sampled_from((*standing.ACTIONS, "login granted")),
        st.sampled_from(("device:1", "device:12", "virtual-machine:1")),
        st.text(max_size=12),
        times,
    ),
    max_size=6,
)


@pytest.mark.thorough
@given(events)
def test_each_withdrawal_is_one_entry_that_is_found_again_and_taken_for_no_other(told: list[SecurityEvent]) -> None:
    found = list(standing.entries(told))

    assert len(found) == sum(one.action == standing.WITHDRAWN for one in told)
    texts = [one.comments for one in found]
    assert all(one.is_in(texts) for one in found)
    for number, one in enumerate(found):
        others = [each for each in found if each.mark != one.mark]
        assert not one.is_in([each.comments for each in others]), number
        assert "\n" not in one.comments and "<" not in one.comments


def test_the_customer_is_told_in_the_customers_language_where_the_password_is() -> None:
    secrets = [("local-admin", "root"), ("break-glass", "msp-breakglass"), ("local-admin", "root")]
    command = "./msp escrow fetch bakkerij-jansen srv01 --purpose local-admin --name root --why off-boarding"

    dutch = standing.hand_over(Words("nl"), "bakkerij-jansen", "srv01", secrets)
    english = standing.hand_over(Words("en"), "bakkerij-jansen", "srv01", secrets, closed=True)

    assert dutch[0] == "Wij kunnen niet meer inloggen op srv01." and english[0] == "We can no longer log in to srv01."
    assert dutch[-1].endswith(command) and english[-1].endswith(command)
    assert (len(dutch), len(english)) == (3, 4)


def test_no_password_is_promised_that_the_escrow_does_not_have() -> None:
    assert not any("escrow" in line for line in standing.hand_over(Words("en"), "bakkerij-jansen", "srv01", []))
