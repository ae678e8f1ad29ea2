# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file that says who is told what: read whole, or refused with everything that is wrong in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.telling import addresses, policy
from ansible_collections.msp.ops.plugins.plugin_utils.telling.addresses import Secrets
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Place

GOOD = """
channels:
  desk: {environment: MSP_CHANNEL_DESK}
  own-mail: {secret: telling.mail}
tickets: {system: zammad, url: "https://support.example.com/", token: {environment: MSP_ZAMMAD_TOKEN}, group: Desk}
guides: {vpn: "https://example.com/vpn"}
default: {language: en, time_zone: UTC, gave_up: [desk, tickets], mended: [desk]}
customers:
  bakery: {language: nl, organization: Bakkerij Jansen, gave_up: [own-mail], send_answers: [printer]}
  dentist: {organization: Tandarts}
"""


def test_a_customer_has_what_is_its_own_and_else_the_default() -> None:
    read = policy.read(GOOD, "telling.yml")
    bakery, stranger = read.of("bakery"), read.of("nobody")
    assert (bakery.language, bakery.gave_up, bakery.mended) == ("nl", ("own-mail",), ("desk",))
    assert (stranger.language, stranger.send_answers) == ("en", ())
    assert read.customer_of(" bakkerij jansen ") == "bakery"
    assert read.customer_of("") is None
    assert read.tickets is not None
    assert read.tickets.url == "https://support.example.com"
    assert read.channels["own-mail"] == Place(secret="telling.mail")  # noqa: S106 - the name of one


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("language: en,", "langauge: en,", "MSP-TEL-002"),
        ("{environment: MSP_CHANNEL_DESK}", "{environment: MSP_CHANNEL_DESK, secret: a}", "MSP-TEL-002"),
        ("{environment: MSP_CHANNEL_DESK}", "slack://a/b/c", "MSP-TEL-002"),
        ("https://support.example.com/", "https://user:pass@support.example.com", "MSP-TEL-002"),
        ("https://example.com/vpn", "javascript:x", "MSP-TEL-002"),
        ("gave_up: [desk, tickets]", "gave_up: [deks]", "MSP-TEL-003"),
        ("mended: [desk]", "mended: [tickets]", "MSP-TEL-003"),
        ("desk: {environment", "tickets: {environment", "MSP-TEL-003"),
        ("time_zone: UTC", "time_zone: Europe/Amsterdma", "MSP-TEL-004"),
        ("organization: Tandarts", "organization: bakkerij  Jansen", "MSP-TEL-005"),
        ("  dentist:", "  bakery:", "MSP-TEL-002"),
        ("channels:", "channels: [", "MSP-TEL-001"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_nothing_is_read(before: str, after: str, code: str) -> None:
    assert before in GOOD
    with pytest.raises(MspErrors) as caught:
        policy.read(GOOD.replace(before, after), "telling.yml")
    assert code in {error.code for error in caught.value.errors}
    assert "telling.yml:" in str(caught.value)


@given(st.text(max_size=80))
def test_no_text_ends_in_anything_but_a_policy_or_errors(text: str) -> None:
    try:
        policy.read(text, "telling.yml")
    except MspErrors as error:
        assert error.code.startswith("MSP-TEL-")


def test_a_secret_comes_from_where_the_policy_says_and_an_error_does_not_show_it() -> None:
    secrets = Secrets(str, "", {"MSP_CHANNEL_DESK": " slack://a/b/c \n"})
    assert secrets.read(Place("MSP_CHANNEL_DESK"), "bakery", "the address") == "slack://a/b/c"
    assert "slack" not in repr(secrets)
    with pytest.raises(MspError) as caught:
        secrets.read(Place("MSP_CHANNEL_OTHER"), "bakery", "the address")
    assert caught.value.code == "MSP-TEL-006"
    with pytest.raises(MspError, match="MSP-SEC-003"):
        secrets.read(Place(secret="telling.mail"), "bakery", "the address")  # noqa: S106 - the name of one


def test_no_file_and_none_that_is_text_are_errors(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(addresses.VARIABLE, raising=False)
    for name in ("", f"{tmp_path}/none.yml", f"{tmp_path}"):
        with pytest.raises(MspError, match="MSP-TEL-001"):
            addresses.read_policy(name)
