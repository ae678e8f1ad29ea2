"""What is made of the declarations for a customer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.awx import checking
from ansible_collections.msp.ops.plugins.plugin_utils.awx.checking import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.awx.wanted import PROMPTS, WORKER_PROMPTS, wanted
from ansible_collections.msp.ops.plugins.plugin_utils.desk import running_awx

ROOT = Path(__file__).resolve().parents[9]
DATA = checking.read_directory(ROOT / "awx")
HOSTILE = "{{ lookup('pipe', 'id') }}"


def customer(**changed: Any) -> Customer:
    given = {"slug": "acme", "name": "Acme", "timezone": "UTC", "language": "en", "instance_group": None}
    return Customer(**{**given, "variables": {}, "own": {}, **changed})


def templates(one: Customer) -> dict[str, Any]:
    return {it.key[0]: it.arguments for it in wanted(DATA, [one]) if it.section == "job_templates"}


def test_nobody_is_asked_for_anything_but_the_worker() -> None:
    by_worker = {f"acme {one['name']}" for one in DATA["job_templates"] if one.get("worker")}
    for name, arguments in templates(customer()).items():
        asked = {prompt for prompt in PROMPTS if arguments[prompt]}
        assert asked == (set(WORKER_PROMPTS) if name in by_worker else set()), name


def test_every_template_is_its_customers_alone() -> None:
    for name, arguments in templates(customer()).items():
        assert arguments["inventory"] == "acme assets", name
        assert arguments["extra_vars"]["customer"] == "acme", name


def test_no_credential_with_a_secret_is_shared_among_customers_and_each_may_have_its_own_secret() -> None:
    own = customer(secrets={"machine_key": "machine_key_acme"})
    kept = [it for it in wanted(DATA, [own, customer(slug="other")]) if it.section == "credentials" and it.secrets]
    assert {it.key[0].split(" ")[0] for it in kept} == {"acme", "other"}
    keys = {it.key[0]: it.secrets["ssh_key_data"] for it in kept if "ssh_key_data" in it.secrets}
    assert keys == {"acme machines": "machine_key_acme", "other machines": "machine_key"}


def test_what_netbox_says_becomes_no_variable_of_a_job() -> None:
    """AWX hands variables on as extra variables, and those are templates."""
    for one in wanted(DATA, [customer(name=HOSTILE)]):
        if "pipe" in str(dict(one.arguments)):
            assert one.section == "inventories"
            assert "pipe" in one.arguments["description"]


def test_a_source_that_was_not_given_is_not_looked_through_by_the_clock() -> None:
    def scheduled(one: Customer) -> set[str]:
        return {it.arguments["name"] for it in wanted(DATA, [one]) if it.section == "schedules"}

    with_sources = customer(variables={"discover_sources": {"acme": [{"source": "nmap"}]}})
    assert scheduled(with_sources) - scheduled(customer()) == {"acme Discover hourly"}
    assert templates(with_sources)["acme Discover"]["extra_vars"]["discover_sources"] == {"acme": [{"source": "nmap"}]}


def test_a_survey_speaks_the_customers_language() -> None:
    offers = {one["key"]: one["title"] for one in DATA["self_service"]}
    for language in ("en", "nl"):
        names = templates(customer(language=language))
        assert {f"acme {title[language]}" for title in offers.values()} <= set(names)


def test_what_the_worker_starts_is_declared() -> None:
    there = {name: playbook for playbook, name in running_awx.TEMPLATES.items() if (ROOT / playbook).exists()}
    for path in (ROOT / "playbooks/runbooks").glob("*.yml"):
        there[f"Event Runbook {path.stem.replace('_', ' ')}"] = f"playbooks/runbooks/{path.name}"
    declared = {one["name"]: one["playbook"] for one in DATA["job_templates"] if one.get("worker")}
    assert declared == there
