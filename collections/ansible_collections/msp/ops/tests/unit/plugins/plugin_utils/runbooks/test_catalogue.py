# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a runbook is declared to be fits its module, and what an alert says gets through in one safe form only."""

from __future__ import annotations

import importlib
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks import catalogue, parameters
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import Declared
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.parameters import Parameter

NAMES = (
    *("account_locked", "certificate_ending", "disk_full", "high_load"),
    *("host_unreachable", "pending_reboot", "service_down", "time_drift"),
)
UTILS = "ansible_collections.msp.ops.plugins.module_utils.runbooks"
KINDS = {
    parameters.INTEGER: "int",
    parameters.NUMBER: "float",
    parameters.BOOLEAN: "bool",
    parameters.LIST: "list",
    parameters.TABLE: "dict",
}
# What may be in every text of an alert; what a template, a shell, an option or another directory would need is not.
HARMLESS = set(string.ascii_letters + string.digits + "/._:@+-\\")
EVERY = [(one, form) for one in catalogue.catalogue().values() for form in one.parameters.values()]
TEXTS = [(one, form) for one, form in EVERY if form.type in (parameters.STRING, parameters.PATH)]
IDS = [f"{one.name}-{form.name}" for one, form in TEXTS]


def test_the_eight_are_there() -> None:
    assert tuple(sorted(catalogue.catalogue())) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_module_takes_what_its_declaration_gives_it_and_nothing_else(name: str) -> None:
    declared = catalogue.declared(name)
    spec: dict[str, dict[str, Any]] = importlib.import_module(f"{UTILS}.{name}").SPEC
    forms = {**declared.parameters, **declared.policy}

    # "after" is the controller's own, between two calls.
    assert set(spec) - {"after"} == set(forms)
    for key, form in forms.items():
        assert spec[key].get("required", False) == form.required, key
        assert spec[key]["type"] in (KINDS.get(form.type, "str"), form.type), key
        assert tuple(spec[key].get("choices", ())) == (
            form.choices if form.type == parameters.LIST or form.choices else ()
        )
        if form.default is not None:
            assert spec[key]["default"] == form.default, key


@pytest.mark.thorough
@pytest.mark.parametrize(("declared", "form"), TEXTS, ids=IDS)
@given(data=st.data())
def test_no_pattern_lets_through_what_another_program_would_act_on(
    data: st.DataObject, declared: Declared, form: Parameter
) -> None:
    if form.choices:
        value = data.draw(st.sampled_from(form.choices))
    else:
        value = data.draw(st.from_regex(form.pattern, fullmatch=True))
    assert form.read(value) == value
    assert set(value) <= HARMLESS
    assert not value.startswith("-") and ".." not in value.split("/")
    assert "/." not in value and (form.type == parameters.PATH or "/" not in value)


@pytest.mark.parametrize(("declared", "form"), TEXTS, ids=IDS)
@pytest.mark.parametrize(
    "value",
    [
        *("{{ lookup('pipe', 'id') }}", "{% x %}", "--help", "-x.service", "../etc/passwd", "/etc/../root", "/var/.."),
        *(
            "a b",
            "a\nb",
            "nginx.service\n",
            "$(id)",
            "`id`",
            "a;b",
            "a|b",
            "a\0b",
            "'",
            '"',
            "*",
            "~root",
            "nginx.timer/x",
        ),
    ],
)
def test_what_is_hostile_is_refused_and_not_shown_as_it_came(declared: Declared, form: Parameter, value: str) -> None:
    with pytest.raises(MspError) as caught:
        declared.checked({form.name: value})
    assert caught.value.code == "MSP-RUN-012"
    assert "{" not in caught.value.found and "\n" not in caught.value.found


@pytest.mark.parametrize("value", ["/home/x.pem", "/root/x.pem", "/proc/1/environ", "/dev/sda", "/etc", "/mnt/x.pem"])
def test_a_certificate_is_read_only_where_certificates_are(value: str) -> None:
    with pytest.raises(MspError, match="MSP-RUN-012"):
        catalogue.declared("certificate_ending").checked({"path": value})


@pytest.mark.thorough
@given(
    st.dictionaries(
        st.text(max_size=12), st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())), max_size=3
    )
)
def test_whatever_comes_is_either_an_error_with_a_code_or_safe_and_checked_again_the_same(
    given: dict[str, Any],
) -> None:
    for declared in catalogue.catalogue().values():
        try:
            found = declared.checked(given)
        except MspError as error:
            assert error.code in ("MSP-RUN-010", "MSP-RUN-011", "MSP-RUN-012")
        else:
            assert declared.checked(found) == found


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "MSP-RUN-011"),
        ({"path": "/etc/a.pem", "port": "443"}, "MSP-RUN-011"),
        ({"port": "0"}, "MSP-RUN-012"),
        ({"port": "65536"}, "MSP-RUN-012"),
        ({"port": "4 43"}, "MSP-RUN-012"),
        ({"port": True}, "MSP-RUN-012"),
        ({"port": "٤٤٣"}, "MSP-RUN-012"),
        ({"port": "443", "command": ["/bin/sh"]}, "MSP-RUN-010"),
    ],
)
def test_an_alert_says_no_more_than_it_may(given: dict[str, Any], code: str) -> None:
    with pytest.raises(MspError, match=code):
        catalogue.declared("certificate_ending").checked(given)


def test_labels_are_text_and_arrive_as_what_they_stand_for() -> None:
    assert catalogue.declared("certificate_ending").checked({"port": "443", "name": ""}) == {
        **{"port": 443, "protocol": "tls", "days": 21}
    }
    assert catalogue.declared("time_drift").checked({"max_seconds": "0.5"}) == {"max_seconds": 0.5}


@pytest.mark.parametrize("name", NAMES)
def test_what_only_the_policy_says_is_refused_from_an_alert_and_allows_nothing_by_itself(name: str) -> None:
    declared = catalogue.declared(name)
    for key in declared.policy:
        with pytest.raises(MspError, match=r"MSP-RUN-010|MSP-RUN-011"):
            declared.checked({key: "true"})
    for key in ("allowed", "restartable", "command", "reload", "views"):
        assert not (declared.policy[key].default if key in declared.policy else None)


def test_a_policy_goes_along_and_is_checked_too() -> None:
    load = catalogue.declared("high_load")
    assert load.arguments({}, {"restartable": ["app.service"]})["restartable"] == ["app.service"]
    assert load.arguments({}, {"restartable": "a.service, b.service"})["restartable"] == ["a.service", "b.service"]
    with pytest.raises(MspError, match="MSP-RUN-012"):
        load.arguments({}, {"restartable": ["--all"]})
    with pytest.raises(MspError, match="MSP-RUN-010"):
        load.arguments({}, {"restart": []})


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(MspError, match="MSP-RUN-013"):
        catalogue.declared("{{ x }}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("never:", "sometimes:"),
        ("range: [50, 99]", "pattern: x"),
        ("default: 90", "default: 20"),
        ("limits: {per_asset_a_day: 3", "limits: {per_asset_a_day: 0"),
        ("title: A disk is full", "title: A disk is full\ntitle: Twice"),
        ("pattern: /|(/", "pattern: ((/"),
    ],
)
def test_a_declaration_that_is_wrong_refuses_all(old: str, new: str) -> None:
    text = (catalogue.DECLARED / "disk_full.yml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(MspErrors, match=r"MSP-RUN-014|MSP-CON-002"):
        catalogue.load({"disk_full": text.replace(old, new, 1)})


def test_what_people_are_offered_is_in_both_languages_and_only_where_they_can_ask_for_it() -> None:
    offered = {name for name, one in catalogue.catalogue().items() if one.offer}
    assert offered == {"account_locked", "disk_full", "pending_reboot", "service_down"}
    assert all(set(one.offer) in (set(), {"en", "nl"}) for one in catalogue.catalogue().values())
