"""The controls and standards that come with the collection: complete, in two languages, and of use."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.msp.ops.plugins.module_utils.standards import request
from ansible_collections.msp.ops.plugins.plugin_utils.standards import (
    assigning,
    catalogue,
    control_schema,
    judging,
    model,
    probing,
    reading_standards,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Check, Chosen, Control, Words

ROLES = Path(__file__).resolve().parents[9] / "roles"
TODAY = dt.date(2026, 11, 26)
CONTROLS = sorted(catalogue.catalogue())
SHIPPED = sorted(catalogue.shipped())
# Controls that no shipped standard has, and why.
OF_THE_ESCROW = "it takes an escrow, and people who can open it, before a machine can be held to it"
ELSEWHERE: dict[str, str] = {
    one.id: OF_THE_ESCROW for one in catalogue.catalogue().values() if one.area == "local_admin"
}


def control(id: str) -> Control:
    return catalogue.catalogue()[id]


def checks(one: Control) -> Iterator[Check]:
    yield from one.checks
    yield from (condition.check for condition in one.not_applicable_when)
    yield from (decision.check for decision in one.decide_when)


def words(one: Control) -> list[Words]:
    reasons = [condition.because for condition in one.not_applicable_when]
    return [one.title, one.reason, *reasons, *(decision.because for decision in one.decide_when)]


def test_every_control_is_in_a_standard_or_it_is_said_why_not() -> None:
    known = catalogue.shipped()
    held = {id for name in known for id in reading_standards.chosen(reading_standards.lineage(name, known))}
    assert held | set(ELSEWHERE) == set(CONTROLS)
    assert held & set(ELSEWHERE) == set()


def test_there_is_a_control_for_every_part_of_the_baseline_of_the_software_set_and_of_tls() -> None:
    areas = {role: {one.area for one in catalogue.catalogue().values() if one.role == role} for role in model.ROLES}
    assert areas[model.BASELINE] == {
        *("accounts", "sudo", "ssh", "banner", "cron", "time", "logging", "kernel", "network", "firewall", "mounts"),
        *("services", "audit"),
    }
    assert areas[model.SOFTWARE_SET] == {"software", "repositories", "updates"}
    assert areas[model.DISK_ENCRYPTION] == {"encryption"}
    assert areas[model.LOCAL_ADMIN] == {"local_admin"}
    assert areas[model.TLS] == {"tls"}
    assert areas[model.MFA] == {"mfa"}


@pytest.mark.parametrize("id", CONTROLS)
def test_a_control_says_the_same_in_two_languages(id: str) -> None:
    for one in words(control(id)):
        assert one.en != one.nl
        assert one.en == one.en.strip() and one.nl == one.nl.strip()
        # A slip of the keyboard leaves a language empty or in the other's place.
        assert not re.search(r"\b(the|what|which|with|who|nobody)\b", one.nl), one.nl
        assert not re.search(r"\b(het|een|niet|wat|wie|niemand|alleen)\b", one.en), one.en


@pytest.mark.parametrize("id", CONTROLS)
def test_a_control_says_which_published_schemes_ask_for_it(id: str) -> None:
    sources = [one.source for one in control(id).references]
    assert any(source.startswith(("NIST SP 800-53", "CIS ")) for source in sources)
    for one in control(id).references:
        if one.source == "NIS2":
            assert re.fullmatch(r"Art\. 21\(2\)\([a-j]\)", one.section)
        elif one.source.startswith("NIST"):
            assert re.fullmatch(r"[A-Z]{2}-[0-9]{1,2}(\([0-9]{1,2}\))?", one.section)
        else:
            assert re.fullmatch(r"CIS [A-Za-z0-9 ]+ Benchmark v[0-9.]+", one.source)
            assert re.fullmatch(r"[0-9]+(\.[0-9]+)+", one.section)


@pytest.mark.parametrize("id", CONTROLS)
def test_whatever_can_be_chosen_in_a_control_is_measured(id: str) -> None:
    """What is brought about and never looked at has no evidence."""
    used = {
        value.parameter
        for check in checks(control(id))
        for value in (*check.probe.values(), getattr(check.value, "least", check.value))
        if isinstance(value, Chosen)
    }
    deciding = {control(id).enforced_if} - {""}
    assert used | deciding == set(control(id).parameters)
    assert not used & deciding


def test_what_takes_away_what_people_may_need_is_only_brought_about_where_a_standard_says_so() -> None:
    gated = {
        one.id: one.parameters[one.enforced_if].default for one in catalogue.catalogue().values() if one.enforced_if
    }
    assert gated == {
        "accounts-password-weak": False,
        "software-allowed": False,
        "sso-accounts": False,
        "sudo-people": False,
    }


def test_every_area_has_its_tasks_in_its_role() -> None:
    lacking = [one.id for one in catalogue.catalogue().values() if not tasks(one).is_file()]
    assert lacking == []


def tasks(one: Control) -> Path:
    return ROLES / one.role / "tasks" / f"{one.area}.yml"


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_standard_asks_of_a_host_can_be_asked_and_judged(name: str) -> None:
    held = assigning.assign({"name": name}, None, today=TODAY)
    sent, ids = probing.probes(held)
    assert len(request.read(sent)) == len(sent) == len(ids)
    silent = judging.judge(held, {}, "debian-12", today=TODAY)
    assert [one.control for one in silent] == [one.control.id for one in held.controls]
    # Nothing passes, and nothing is left out, because of answers that are not there.
    assert {one.status for one in silent} == {"error"}
    assert all(one.desired for one in silent)


def test_a_shipped_standard_has_two_languages_and_its_own_class_or_the_common_one() -> None:
    for name, one in catalogue.shipped().items():
        assert one.title.en != one.title.nl
        assert one.asset_class == ("linux" if name == "linux-base" else name)


def test_the_standard_of_servers_has_all_of_the_common_one_and_more() -> None:
    def ids(name: str) -> set[str]:
        return {one.control.id for one in assigning.assign({"name": name}, None, today=TODAY).controls}

    assert ids("linux-base") < ids("linux-server")
    assert ids("linux-base") <= ids("linux-workstation")


def test_a_workstation_hears_of_printers_that_announce_themselves() -> None:
    """Its standard leaves discovery on, so its firewall may not silence it."""
    of = {one.control.id: one for one in assigning.assign({"name": "linux-workstation"}, None, today=TODAY).controls}
    assert "services-discovery" not in of
    assert of["firewall-open"].parameters["ports"] == ["tcp/22", "udp/5353"]


# -- the firewall asks before it closes what is used --------------------------------------------------------------

FIREWALL = ("firewall-active", "firewall-open", "network-forwarding")
QUIET: dict[str, Any] = {
    "sysctl": {"value": "0"},
    "firewall_unlisted": {"used": []},
    "mount": {"options": ["rw"]},
    "unit": {"active": "inactive", "enabled": "disabled"},
    "nftables": {
        **{"input_policy": "drop", "own_forward_policy": "none", "forwarding": [], "accepts": ["tcp/22", "tcp/80"]},
        **{"established": True, "loopback": True},
    },
}


def enforced(answers: dict[str, Any], **context: Any) -> list[str]:
    """Which of the firewall's controls and forwarding are brought about, on a host that answers so."""
    held = assigning.assign({"name": "linux-server", **context}, None, today=TODAY)
    sent = probing.probes(held)[0]
    values = {**QUIET, **answers}
    found = {
        one["id"]: {"state": "ok", "value": values[one["kind"]]} if one["kind"] in values else {"state": "absent"}
        for one in sent
    }
    records = judging.judge(held, found, "debian-12", today=TODAY)
    return [
        one.control for one in records if one.control in FIREWALL and judging.enforced(one, control(one.control), TODAY)
    ]


WAIVED = {
    **{"reason": "The X-ray server's maker forbids it", "owner": "Noor", "expires": "2027-01-31"},
    "agreed": {"by": "A. Bakker", "on": "2026-11-01", "reference": "mail of 1 November"},
}


def test_the_firewall_is_brought_about_where_nothing_would_be_lost() -> None:
    assert enforced({}) == ["firewall-active", "firewall-open"]


def test_what_is_used_and_not_agreed_keeps_both_controls_from_being_brought_about() -> None:
    assert enforced({"firewall_unlisted": {"used": ["tcp/80 (nginx)"]}}) == []


def test_who_does_without_a_firewall_is_not_given_one_for_its_ports() -> None:
    assert enforced({}, waivers={"firewall-active": WAIVED}) == []
    assert enforced({}, waivers={"firewall-open": WAIVED}) == ["firewall-active"]


FORWARDS = {"sysctl": {"value": "1"}}
PASSES_ON = {"nftables": {**QUIET["nftables"], "forwarding": ["ip filter"]}}


@pytest.mark.parametrize("forward", ["drop", "accept"])
def test_traffic_of_others_is_cut_only_where_that_was_chosen(forward: str) -> None:
    chosen = {"firewall-active": {"forward": forward}}
    for answers in (FORWARDS, PASSES_ON):
        assert enforced(answers) == []
        assert enforced(answers, parameters=chosen) == ["firewall-active", "firewall-open"]


def test_a_host_that_forwards_is_stopped_only_where_that_was_chosen() -> None:
    chosen = {"network-forwarding": {"forwarding": "0"}}
    assert enforced(FORWARDS, parameters=chosen) == ["network-forwarding"]
    assert enforced(FORWARDS) == []


def test_every_kind_of_probe_and_every_rule_that_controls_use_is_known() -> None:
    used = [check for one in catalogue.catalogue().values() for check in checks(one)]
    assert {check.probe["kind"] for check in used} <= set(control_schema.KINDS)
    assert {check.rule for check in used} <= {*control_schema.RULES, control_schema.ABSENT}


def limits_of(parameter: model.Parameter) -> Any:
    """What keeps a value in: a kind without any keeps nothing in."""
    match parameter.kind:
        case model.INTEGER:
            return parameter.minimum is not None and parameter.maximum is not None
        case model.CHOICE:
            return bool(parameter.choices)
        case model.STRING:
            return bool(parameter.pattern)
        case model.LIST:
            return parameter.items is not None and limits_of(parameter.items)
        case model.MAP:
            return parameter.values is not None and limits_of(parameter.values)
        case _:
            return True


@pytest.mark.parametrize("id", CONTROLS)
def test_whatever_can_be_chosen_has_limits(id: str) -> None:
    assert all(limits_of(parameter) for parameter in control(id).parameters.values())


# -- what the documentation says of them --------------------------------------------------------------------------

DOCS = Path(__file__).resolve().parents[9] / "docs"


def example(name: str) -> str:
    return (DOCS / "examples" / "standards" / name).read_text(encoding="utf-8")


def test_the_documentation_lists_every_control_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \| (high|medium|low) \| (.*) \|$", page(), re.MULTILINE)
    assert rows == [
        (one.id, one.title.en, one.severity, ", ".join(f"`{name}`" for name in one.parameters))
        for one in catalogue.catalogue().values()
    ]


def page() -> str:
    return (DOCS / "standards.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["customer.yml", "own.yml", "example.yml"])
def test_the_documentation_shows_its_examples_as_they_are(name: str) -> None:
    body = "\n".join(line for line in example(name).splitlines() if not line.startswith("#"))
    assert f"```yaml\n{body}\n```" in page()


def test_the_examples_of_the_documentation_can_be_used() -> None:
    # As most readers of YAML take it, Ansible's and NetBox's among them.
    context = yaml.safe_load(example("customer.yml"))["msp_standard"]
    own = yaml.safe_load(example("own.yml"))["msp_standards"]
    held = assigning.assign(context, own, today=TODAY)
    assert (held.standard, held.version, held.unused) == ("dental-server", "3", ())
    of = {one.control.id: one for one in held.controls}
    assert of["updates-automatic"].parameters["policy"] == "security"
    assert "services-discovery" not in of
    waiver = of["ssh-forwarding"].waiver
    assert waiver is not None and waiver.holds(TODAY)


def test_the_control_of_the_documentation_is_one() -> None:
    (one,) = catalogue.load({"example.yml": example("example.yml")}).values()
    assert one.id not in CONTROLS
    assert one.parameters["most"].maximum == 6
