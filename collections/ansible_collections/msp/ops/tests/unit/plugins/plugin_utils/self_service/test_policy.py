"""What a customer's own people may have done, whatever the survey let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.awx import checking
from ansible_collections.msp.ops.plugins.plugin_utils.self_service.policy import allowed, offer_of

OFFERS = checking.read_directory(Path(__file__).resolve().parents[9] / "awx")["self_service"]
HOSTS: dict[str, Any] = {
    "till03.acme": {"customer": "acme", "status": "contracted", "asset": {"name": "till03"}},
    "old01.acme": {"customer": "acme", "status": "excluded", "asset": {"name": "old01"}},
    "twin.acme": {"customer": "acme", "status": "contracted", "asset": {"name": "twin"}},
    "twin-d7.acme": {"customer": "acme", "status": "contracted", "asset": {"name": "twin"}},
    "desk01.zed": {"customer": "zed", "status": "contracted", "asset": {"name": "desk01"}},
    "stray": None,
}
GOOD = {
    "install": {"self_service_package": "vlc"},
    "restart_service": {"self_service_service": "cups.service"},
    "free_space": {"self_service_disk": "/var"},
    "unlock": {"self_service_account": "anna"},
}
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["vlc; id", "{{ 1 }}", "../etc", "vlc\n", "-y", "all", "*", "till03.acme:desk01.zed"]
)


def ask(key: str, own: dict[str, list[str]] | None = None, **answers: Any) -> Any:
    return allowed(
        offer_of(OFFERS, key), {"self_service_asset": "till03", **GOOD[key], **answers}, own or {}, "acme", HOSTS
    )


@pytest.mark.parametrize("key", [offer["key"] for offer in OFFERS])
def test_what_is_offered_is_allowed(key: str) -> None:
    request = ask(key)
    assert request.host == "till03.acme"
    assert request.answers == {"self_service_asset": "till03", **GOOD[key]}


@pytest.mark.parametrize(
    "asset", ["desk01", "desk01.zed", "old01", "stray", "localhost", "all", "till03:desk01.zed", "twin"]
)
def test_a_machine_that_is_not_one_of_the_customers_in_the_contract_is_not_there(asset: str) -> None:
    with pytest.raises(MspError) as caught:
        ask("install", self_service_asset=asset)
    assert caught.value.code == "MSP-SLF-003"


def test_one_of_another_customer_is_refused_in_the_words_of_one_that_is_nowhere() -> None:
    said = []
    for asset in ("desk01", "desk99"):
        with pytest.raises(MspError) as caught:
            ask("install", self_service_asset=asset)
        said.append(str(caught.value).replace(asset, "X"))
    assert said[0] == said[1]


@pytest.mark.thorough
@given(st.sampled_from([("install", "package"), ("restart_service", "service"), ("free_space", "disk")]), TEXTS)
def test_what_is_not_on_the_list_is_never_done(which: tuple[str, str], answer: str) -> None:
    key, name = which
    question = next(one for one in offer_of(OFFERS, key)["questions"] if one["variable"] == f"self_service_{name}")
    if answer in question["values"]:
        return
    with pytest.raises(MspError):
        ask(key, None, **{f"self_service_{name}": answer})


@pytest.mark.thorough
@given(TEXTS | st.integers() | st.lists(st.text(), max_size=2) | st.none())
def test_any_answer_is_a_request_for_one_of_the_customers_machines_or_a_refusal(answer: Any) -> None:
    try:
        request = ask("unlock", self_service_asset=answer, self_service_account="anna")
    except MspError as error:
        assert error.code in ("MSP-SLF-002", "MSP-SLF-003")
    else:
        assert HOSTS[request.host]["customer"] == "acme"


def test_a_customers_own_list_takes_the_place_of_the_offers() -> None:
    own = {"self_service_package": ["krita"]}
    assert ask("install", own, self_service_package="krita").answers["self_service_package"] == "krita"
    with pytest.raises(MspError):
        ask("install", own, self_service_package="vlc")


def test_an_offer_that_is_not_made_is_refused() -> None:
    with pytest.raises(MspError) as caught:
        offer_of(OFFERS, "format_disk")
    assert caught.value.code == "MSP-SLF-001"
