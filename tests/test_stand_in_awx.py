"""The stand-in of AWX's API against what a real one said: its own descriptions and recorded answers.

Those are not part of the project: MSP_RECORDED_DATA names a directory that has them in awx/.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in_awx import KINDS, StandInAwx

RECORDED = Path(os.environ.get("MSP_RECORDED_DATA", "nowhere")) / "awx"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="MSP_RECORDED_DATA names no recorded data")
# What AWX fills in by itself, and tells in another place.
OWN = {"managed", "namespace", "scm_revision", "status"}


def recorded(name: str) -> Any:
    return json.loads((RECORDED / "recorded" / f"{name}.json").read_text())


@pytest.fixture
def awx() -> Iterator[StandInAwx]:
    with StandInAwx(["site.yml"]) as made:
        yield made


@pytest.mark.parametrize("endpoint", [path.stem for path in (RECORDED / "options").glob("*.json")] or ["none"])
def test_fields_needs_and_choices_are_awxs_own(endpoint: str) -> None:
    posted = json.loads((RECORDED / "options" / f"{endpoint}.json").read_text())["actions"]["POST"]
    kind = KINDS[endpoint]
    assert set(kind.fields) - OWN - set(posted) - {"organization"} == set()
    needed = {name for name, of in posted.items() if of["required"]}
    assert needed <= set(kind.needed), f"AWX needs {needed}"
    for name, choices in kind.choices.items():
        assert set(choices) <= {choice[0] for choice in posted[name]["choices"]}, name


@pytest.mark.parametrize("endpoint", [path.stem for path in (RECORDED / "options").glob("*.json")] or ["none"])
def test_an_object_has_the_roles_of_awxs_own(endpoint: str) -> None:
    said = json.loads((RECORDED / "options" / f"{endpoint}.json").read_text()).get("object_roles", [])
    assert {f"{name}_role" for name in KINDS[endpoint].roles.split()} == set(said)


def ask(awx: StandInAwx, name: str, token: str | None, **changed: Any) -> tuple[Any, int, Any]:
    """A recorded request put to the stand-in, and what both answered."""
    pair = recorded(name)
    request = pair["request"]
    body = {**request["body"], **changed} if request["body"] else None
    status, answer = awx.answer(request["method"], request["path"], token, body)
    assert status == pair["response"]["status"], answer
    return pair["response"]["body"], status, answer


def test_errors_have_awxs_words(awx: StandInAwx) -> None:
    person = awx.person("somebody")
    awx.answer("POST", "/api/v2/organizations/", awx.token, {"name": "Feas Org"})
    for name, token in (
        ("organization-create-403", person),
        ("organization-create-same-name", awx.token),
        ("organization-get-404", awx.token),
        ("organization-list-401-no-credentials", None),
    ):
        theirs, _status, ours = ask(awx, name, token)
        assert ours == theirs, name


def test_a_rule_without_its_beginning_is_refused_in_awxs_words(awx: StandInAwx) -> None:
    theirs, _status, ours = ask(
        awx, "schedule-create-bad-rrule-no-dtstart", awx.token, unified_job_template=_template(awx)
    )
    assert ours == theirs


def test_a_template_of_what_is_nowhere_is_refused_in_awxs_words(awx: StandInAwx) -> None:
    project = awx.add("projects", name="p", scm_type="git", scm_url="https://git.example.com/p.git")["id"]
    theirs, _status, ours = ask(awx, "job-template-create-bad", awx.token, project=project)
    assert ours == theirs


def _template(awx: StandInAwx) -> int:
    project = awx.add("projects", name="p", scm_type="git", scm_url="https://git.example.com/p.git")["id"]
    return int(awx.add("job_templates", name="t", project=project, playbook="site.yml")["id"])


@pytest.mark.parametrize(
    "name", ["organization-create", "credential-type-create", "inventory-create", "job-template-create"]
)
def test_what_is_made_looks_as_awx_shows_it(awx: StandInAwx, name: str) -> None:
    changed: dict[str, Any] = {}
    request = recorded(name)["request"]["body"]
    if "organization" in request:
        changed["organization"] = awx.add("organizations", name="o")["id"]
    if "project" in request:
        made = awx.add("projects", name="p", scm_type="git", scm_url="https://git.example.com/p.git", **changed)
        changed["project"] = made["id"]
        changed["inventory"] = awx.add("inventories", name="i", **changed)["id"] if "inventory" in request else None
    theirs, _status, ours = ask(awx, name, awx.token, **changed)
    assert set(ours) <= set(theirs)
    same = set(ours) - {"id", "url", "related", "summary_fields", *changed}
    assert {field: ours[field] for field in same} == {field: theirs[field] for field in same}
    assert set(ours["summary_fields"]) <= set(theirs["summary_fields"])


def test_pages_are_as_awx_gives_them(awx: StandInAwx) -> None:
    pair = recorded("organization-list-filter-page")
    for row in range(5):
        awx.add("organizations", name=f"Page Org {row}")
    _status, ours = awx.answer("GET", pair["request"]["path"], awx.token, None)
    theirs = pair["response"]["body"]
    assert (ours["count"], len(ours["results"])) == (theirs["count"], len(theirs["results"]))
    assert sorted(ours["next"].split("?")[1].split("&")) == sorted(theirs["next"].split("?")[1].split("&"))
