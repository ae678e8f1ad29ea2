"""What awx/ declares, and what is refused of declarations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.awx import checking

DECLARED = Path(__file__).resolve().parents[9] / "awx"

FORM, SENSE = "MSP-AWX-002", "MSP-AWX-003"


def texts(**changed: tuple[str, str]) -> dict[str, str]:
    """The project's own declarations, one text in a file replaced."""
    found = {path.name: path.read_text(encoding="utf-8") for path in DECLARED.glob("*.yml")}
    for name, (old, new) in changed.items():
        file = f"{name}.yml"
        assert old in found[file]
        found[file] = found[file].replace(old, new, 1)
    return found


def refusals(**changed: tuple[str, str]) -> list[str]:
    with pytest.raises(MspErrors) as caught:
        checking.read_texts(texts(**changed))
    return [str(error) for error in caught.value.errors]


def test_the_projects_own_declarations_hold_together() -> None:
    data = checking.read_texts(texts())
    assert len(data["job_templates"]) > 10


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"job_templates": ("audit.yml\n    where", "audit.yml\n    wehre")}, FORM, "did you mean where?"),
        ({"job_templates": ("teams: [technicians, leads]", "teams: [techs]")}, SENSE, "a team that is declared"),
        ({"job_templates": ("credentials: [NetBox,", "credentials: [Netbox,")}, SENSE, "did you mean"),
        ({"credential_types": ("NETBOX_API: url", "ANSIBLE_CONFIG: url")}, FORM, "which AWX refuses"),
        ({"credential_types": ("NETBOX_API: url", "NETBOX_API: nowhere")}, SENSE, "a field"),
        ({"credentials": ("secrets: {token: netbox_token}", "secrets: {url: netbox_token}")}, SENSE, "a secret field"),
        ({"credentials": ("inputs: {url:", "inputs: {token:")}, SENSE, "a field that is no secret"),
        ({"credentials": ("    generation: 1\n", "")}, SENSE, "a generation"),
        ({"workflows": ("success: [approve]", "success: [aprove]")}, SENSE, "did you mean approve?"),
        (
            {
                "workflows": (
                    "{id: measure, run: Standard scan}",
                    "{id: measure, run: Standard scan, always: [preview]}",
                )
            },
            SENSE,
            "a circle",
        ),
        ({"workflows": ("    approvers: [leads]\n", "")}, SENSE, "nobody"),
        ({"schedules": ('every: day, at: "05:00"', "every: day")}, SENSE, "at at the schedule"),
        ({"schedules": ('at: "05:00"', 'at: "25:00"')}, FORM, "a time such as"),
        ({"schedules": ("run: Rotate", "run: Rotat")}, SENSE, "did you mean Rotate?"),
        ({"job_templates": ("teams: []", "teams: [technicians]")}, SENSE, "given at the start"),
        ({"self_service": ("    kind: asset", "    kind: asset\n        values: [a]")}, SENSE, "with the kind asset"),
        ({"organization": ("tell_failures: [failures]", "tell_failures: [desk]")}, SENSE, "a notification"),
    ],
)
def test_what_cannot_work_is_refused_with_words(changed: dict[str, tuple[str, str]], code: str, said: str) -> None:
    found = refusals(**changed)
    assert any(code in one and said in one for one in found), found


@pytest.mark.parametrize("name", ["Patch tick", "Standardise", "Rotate", "Discover", "Patch report"])
def test_what_has_to_see_the_whole_customer_is_never_cut_into_slices(name: str) -> None:
    found = refusals(job_templates=(f"- name: {name}\n", f"- name: {name}\n    slices: 2\n"))
    assert any("has to see all hosts of the customer in one job" in one for one in found), found


def test_what_looks_at_each_host_on_its_own_may_be_cut() -> None:
    data = checking.read_texts(texts(job_templates=("    slices: 1\n", "    slices: 4\n")))
    assert next(one for one in data["job_templates"] if one["name"] == "Audit")["slices"] == 4


def customers(text: str) -> list[dict[str, Any]]:
    return checking.read_customers(text, "customers.yml")


def test_a_customers_entry_is_no_template() -> None:
    (entry,) = customers("- {slug: acme, variables: {discover_sources: {acme: [\"{{ lookup('pipe', 'id') }}\"]}}}")
    assert entry["variables"]["discover_sources"]["acme"] == ["{{ lookup('pipe', 'id') }}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {slug: ACME}", "as NetBox's slug"),
        ("- {slug: acme}\n- {slug: acme}", "once"),
        ("- {slug: acme, timezone: Europe/Amsterdan}", "a time zone of the IANA list"),
        ("- {slug: acme, language: de}", "one of en, nl"),
        ("slug: acme", "a list"),
    ],
)
def test_an_entry_that_is_wrong_is_refused(text: str, said: str) -> None:
    with pytest.raises(MspErrors) as caught:
        customers(text)
    assert said in str(caught.value)


def test_netbox_says_who_the_customers_are_and_entries_add_to_it() -> None:
    known = {
        "acme": {"slug": "acme", "name": "Acme BV", "timezone": "Europe/Amsterdam", "language": "nl"},
        "zed": {"slug": "zed", "name": "Zed", "timezone": "UTC", "language": "en"},
    }
    found = checking.customers([{"slug": "acme", "instance_group": "site-acme"}], known)
    assert [(one.slug, one.name, one.language, one.instance_group) for one in found] == [
        ("acme", "Acme BV", "nl", "site-acme"),
        ("zed", "Zed", "en", None),
    ]
