"""Files of controls and standards are read whole, or refused with everything that is wrong in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.standards import catalogue, model
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Chosen, Parameter, Words
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards.made_standard import (
    check,
    control,
    controls,
    shipped,
    standard,
    tries,
)

FILE = """\
- id: ssh-root-login
  area: ssh
  role: msp_baseline_linux
  title: {en: "No root", nl: "Geen root"}
  reason: {en: "Why", nl: "Waarom"}
  severity: high
  references: [{source: "NIS2", section: "Art. 21(2)(i)"}]
  platforms: [debian]
  parameters:
    allowed: {type: choice, choices: ["no", "prohibit-password"], default: "no"}
    users: {type: list, items: {type: string, pattern: "[a-z]+"}, unique: true, default: []}
    pins: {type: map, values: {type: string, pattern: ".*"}, keys: "[a-z]+", default: {}}
  checks:
    - {probe: {kind: sshd, name: permitrootlogin}, field: value, rule: equals, value: {parameter: allowed}}
    - {probe: {kind: accounts}, field: uid0, rule: only, value: [root]}
  minutes: 6
"""


def refused(*made: Mapping[str, Any], area: str = "ssh") -> list[MspError]:
    with pytest.raises(MspErrors) as raised:
        controls(*made, area=area)
    return raised.value.errors


def said(*made: Mapping[str, Any]) -> str:
    (error,) = refused(*made)
    return f"{error.code} {error.expected}; {error.found}"


# -- what a file is read as ---------------------------------------------------------------------------------------


def test_a_control_is_read() -> None:
    (made,) = catalogue.load({"ssh.yml": FILE}).values()
    assert (made.id, made.area, made.role, made.severity) == ("ssh-root-login", "ssh", "msp_baseline_linux", "high")
    assert made.title == Words("No root", "Geen root") and made.title.of("nl") == "Geen root"
    assert made.parameters["allowed"] == Parameter("choice", default="no", choices=("no", "prohibit-password"))
    assert made.parameters["users"].items == Parameter("string", pattern="[a-z]+") and made.parameters["users"].unique
    assert made.parameters["pins"].keys == "[a-z]+"
    assert [(one.rule, one.field, one.value) for one in made.checks] == [
        ("equals", "value", Chosen("allowed")),
        ("only", "uid0", ["root"]),
    ]
    assert (made.lockout, made.minutes, made.not_applicable_when) == ("", 6, ())


def test_files_are_read_in_the_order_of_their_names_and_controls_in_the_order_of_their_file() -> None:
    files = {
        "time.yml": json.dumps([control(id="b", area="time"), control(id="a", area="time")]),
        "ssh.yml": json.dumps([control(id="c")]),
    }
    assert list(catalogue.load(files)) == ["c", "b", "a"]


def test_a_probe_may_be_asked_with_a_parameter() -> None:
    parameters = {"unit": {"type": "string", "pattern": "[a-z.]+", "default": "ssh.service"}}
    probe = {"kind": "unit", "name": {"parameter": "unit"}}
    known = controls(control(parameters=parameters, checks=[check("equals", "active", probe, "active")]))
    assert known["ssh-root-login"].checks[0].probe == {"kind": "unit", "name": Chosen("unit")}


# -- what is wrong ------------------------------------------------------------------------------------------------


def test_an_error_names_the_file_the_line_and_the_place() -> None:
    with pytest.raises(MspErrors) as raised:
        catalogue.load({"ssh.yml": FILE.replace("severity: high", "severity: huge")})
    (error,) = raised.value.errors
    assert (error.code, error.expected) == ("MSP-STD-002", "[0].severity to be one of high, medium, low")
    assert error.found == "huge (ssh.yml:6)"


def test_everything_wrong_in_all_files_is_told_at_once() -> None:
    files = {
        "ssh.yml": json.dumps([control(severity="huge", minutes=0)]),
        "time.yml": "- {",
        "sudo.yml": json.dumps([control(id="sudo-who", area="sudo", checks=[])]),
    }
    with pytest.raises(MspErrors) as raised:
        catalogue.load(files)
    assert [error.code for error in raised.value.errors] == ["MSP-STD-002"] * 3 + ["MSP-CON-001"]


@pytest.mark.parametrize(
    "key", ["id", "area", "role", "title", "reason", "severity", "references", "platforms", "checks", "minutes"]
)
def test_a_control_without_a_key_that_it_needs_is_refused(key: str) -> None:
    error = refused(control(**{key: None}))[0]
    assert (error.code, error.expected) == ("MSP-STD-002", f"the key [0].{key}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"titel": {"en": "x", "nl": "y"}}, "only the keys"),
        ({"title": {"en": "only English"}}, "the key [0].title.nl"),
        ({"reason": {"en": " ", "nl": "x"}}, "[0].reason.en to be words"),
        ({"id": "SSH root"}, "lower-case letters"),
        ({"platforms": ["debian", "windows"]}, "one of debian, ubuntu, redhat"),
        ({"platforms": ["debian", "debian"]}, "names nothing twice"),
        ({"references": []}, "a list of 1 at least"),
        ({"lockout": "door"}, "one of ssh, login, firewall, network"),
        ({"role": "msp_other"}, "one of " + ", ".join(model.ROLES)),
        ({"checks": [check("sounds_like", "no")]}, "one of equals"),
        ({"checks": [check("absent")]}, "one of equals"),
        ({"checks": [check("empty", probe={"kind": "crystal-ball"})]}, "one of sshd"),
        ({"checks": [check("empty", probe={"kind": "sysctl", "name": 4})]}, "{parameter: NAME}"),
    ],
)
def test_a_control_that_has_not_its_form_is_refused(changes: dict[str, Any], words: str) -> None:
    errors = refused(control(**changes))
    assert {error.code for error in errors} == {"MSP-STD-002"}
    assert any(words in error.expected for error in errors), errors


CHOICE = {"type": "choice", "choices": ["no", "prohibit-password"]}
SSHD = {"kind": "sshd", "name": "permitrootlogin"}
ASKS: dict[str, Any] = {**check("equals", "yes", SSHD), "because": {"en": "it is used", "nl": "het wordt gebruikt"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": {"allowed": CHOICE}}, "allowed.default to be there; nothing"),
        ({"together": ["ssh-other"]}, "together[0] to be another control of msp_baseline_linux; ssh-other"),
        ({"together": ["ssh-root-login"]}, "together[0] to be another control of msp_baseline_linux; ssh-root-login"),
        ({"waived_with": "ssh-other"}, "waived_with to be another control of msp_baseline_linux; ssh-other"),
        ({"enforce_unmeasured": True}, "enforce_unmeasured to be left out where there is a lockout; true"),
        (
            {"decide_when": [{**ASKS, "unless_chosen": "x"}]},
            "unless_chosen to be a parameter of the control (allowed); x",
        ),
        ({"decide_when": [{**ASKS, "rule": "at_most", "value": "4"}]}, "to be a whole number"),
        ({"enforced_if": "remove"}, "[0].enforced_if to be a parameter of the control that is boolean; remove"),
        ({"enforced_if": "allowed"}, "[0].enforced_if to be a parameter of the control that is boolean; allowed"),
        ({"checks": [check("as_strict", "no", SSHD)]}, "order to be there, and only there"),
        ({"checks": [{**check("equals", "no", SSHD), "order": ["yes", "no"]}]}, "order to be there, and only there"),
        ({"checks": [{**check("as_strict", "off", SSHD), "order": ["yes", "no"]}]}, "one of the order (yes, no); off"),
        (
            {"checks": [{**check("as_strict", {"parameter": "allowed"}, SSHD), "order": ["yes", "no"]}]},
            "one of the order (yes, no); prohibit-password",
        ),
        ({"parameters": {"allowed": {**CHOICE, "default": "yes"}}}, "allowed.default to be one of no"),
        ({"parameters": {"allowed": {**CHOICE, "default": "no", "minimum": 1}}}, "only the keys"),
        ({"checks": [check("at_most", {"parameter": "allowed"}, SSHD)]}, "to be a parameter that is integer"),
        ({"checks": [check("equals", {"parameter": "alowed"}, SSHD)]}, "a parameter of the control (allowed); alowed"),
        ({"checks": [check("equals", {"name": "allowed"}, SSHD)]}, "a literal, or {parameter: NAME}"),
        ({"checks": [check("equals", None, SSHD)]}, "to be there: the rule equals takes one"),
        ({"checks": [check("empty", "no", SSHD)]}, "to be left out: the rule empty takes none"),
        ({"checks": [check("at_most", "4", SSHD)]}, "to be a whole number"),
        ({"checks": [check("one_of", "no", SSHD)]}, "to be a list of texts or numbers"),
        ({"checks": [check("matches", "(", SSHD)]}, "a regular expression; ("),
        ({"checks": [check("empty", probe={"kind": "sshd"})]}, "probe.name to be there"),
        ({"checks": [check("empty", probe={**SSHD, "path": "x"})]}, "probe.path to be left out"),
        (
            {"checks": [check("empty", probe={"kind": "sshd", "name": {"parameter": "x"}})]},
            "a parameter of the control",
        ),
    ],
)
def test_a_control_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    text = said(control(**{"not_applicable_when": None, **changes}))
    assert text.startswith("MSP-STD-003") and words in text, text


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"type": "integer", "default": 1}, "the key"),
        ({"type": "list", "default": []}, "the key"),
        ({"type": "string", "pattern": "(", "default": ""}, "a regular expression"),
        ({"type": "list", "items": {"type": "number"}, "default": []}, "items.type to be one of integer"),
        (
            {"type": "list", "items": {"type": "boolean", "default": True}, "default": []},
            "items.default to be left out",
        ),
        ({"type": "map", "values": {"type": "string", "pattern": "["}, "default": {}}, "values.pattern"),
        ({"type": "list", "items": {"type": "string", "pattern": "a+"}, "default": ["a", "b"]}, "default[1]"),
    ],
)
def test_a_parameter_has_limits_that_can_be_held_and_a_default_within_them(
    parameter: dict[str, Any], words: str
) -> None:
    errors = refused(control(parameters={**control()["parameters"], "more": parameter}))
    assert {error.code for error in errors} == {"MSP-STD-003"}
    assert any(words in error.expected for error in errors), errors


def test_what_is_absent_is_asked_of_the_whole_probe() -> None:
    because = {"en": "no sshd", "nl": "geen sshd"}
    condition = {**check("absent", probe=SSHD), "because": because}
    assert controls(control(not_applicable_when=[condition]))
    assert "not_applicable_when[0].field to be left out" in said(
        control(not_applicable_when=[{**condition, "field": "value"}])
    )


def test_a_condition_says_why() -> None:
    (error,) = refused(control(not_applicable_when=[check("absent", probe=SSHD)]))
    assert error.expected == "the key [0].not_applicable_when[0].because"


def test_two_controls_of_one_id_are_both_named() -> None:
    files = {
        "ssh.yml": json.dumps([control()], indent=1),
        "sudo.yml": json.dumps([control(area="sudo")], indent=1),
    }
    with pytest.raises(MspErrors) as raised:
        catalogue.load(files)
    (error,) = raised.value.errors
    assert (error.code, error.expected) == ("MSP-STD-003", "one control ssh-root-login")
    assert error.found == "two (ssh.yml:3 and sudo.yml:3)"


def test_a_file_is_named_after_its_area() -> None:
    (error,) = refused(control(), area="sudo")
    assert error.expected == "[0].area to be sudo, as the file is named"


@pytest.mark.parametrize("text", ["", "null", "{}", "[]", "text", "- 1", "- {id: []}", "[[]]"])
def test_a_file_that_is_no_list_of_controls_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(MspErrors):
        catalogue.load({"ssh.yml": text})


# -- standards that are shipped -----------------------------------------------------------------------------------


def refused_standards(*made: Mapping[str, Any]) -> list[MspError]:
    with pytest.raises(MspErrors) as raised:
        shipped(controls(), *made)
    return raised.value.errors


def test_a_standard_is_read() -> None:
    found = shipped(controls(), standard(), standard("linux-till", extends="linux-server", controls={}))
    assert list(found) == ["linux-server", "linux-till"]
    assert (found["linux-till"].extends, found["linux-till"].version) == ("linux-server", "1.0")
    assert found["linux-server"].controls == {"ssh-root-login": {}, "ssh-tries": {}}


def test_a_standard_is_named_as_its_file_is() -> None:
    with pytest.raises(MspErrors, match="the name to be other, as the file is named"):
        catalogue.load_standards({"other.yml": json.dumps(standard())}, controls())


def test_a_shipped_standard_with_an_unknown_control_or_a_wrong_value_is_refused() -> None:
    errors = refused_standards(standard(controls={"ssh-rot-login": {}, "ssh-tries": {"most": 99, "least": 1}}))
    assert [error.code for error in errors] == ["MSP-STD-016", "MSP-STD-017", "MSP-STD-018"]
    assert errors[0].action.startswith("did you mean ssh-root-login?")
    assert errors[2].expected == "shipped.linux-server.controls.ssh-tries.most to be a whole number from 2 up to 6"


def test_the_loader_reads_what_the_collection_has() -> None:
    assert catalogue.catalogue() is catalogue.catalogue()
    assert set(catalogue.shipped()) == {"linux-base", "linux-server", "linux-workstation"}


def test_what_a_control_says_of_itself_and_of_others_is_read() -> None:
    first = control(decide_when=[{**ASKS, "unless_chosen": "allowed"}], together=["ssh-tries"])
    second = tries(waived_with="ssh-root-login", enforce_unmeasured=True, lockout=None)

    found = controls(first, second)

    (decision,) = found["ssh-root-login"].decide_when
    assert (decision.check.rule, decision.because.nl, decision.unless_chosen) == (
        "equals",
        "het wordt gebruikt",
        "allowed",
    )
    assert (found["ssh-root-login"].together, found["ssh-root-login"].enforce_unmeasured) == (("ssh-tries",), False)
    assert (found["ssh-tries"].waived_with, found["ssh-tries"].enforce_unmeasured) == ("ssh-root-login", True)
