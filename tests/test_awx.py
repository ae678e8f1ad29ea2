"""AWX as code, against a stand-in of AWX's API: nothing of this has run on an AWX.

Most tests run the playbook's own tasks with the unmodified modules of awx.awx (tests/awx_bed.py); the last ones run
ansible-playbook.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.awx.checking import read_directory
from ansible_collections.msp.ops.plugins.plugin_utils.awx.wanted import wanted
from ansible_collections.msp.ops.plugins.plugin_utils.desk import running_awx
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import catalogue
from tests import awx_bed
from tests.awx_bed import DECLARED, HARBOUR, JANSEN, ROOT
from tests.stand_in_awx import KINDS, StandInAwx

TASK_FILES = ("apply.yml", "remove.yml")


@pytest.fixture(scope="module")
def applied() -> Iterator[StandInAwx]:
    """An AWX with all that awx/ declares, for two customers."""
    with awx_bed.stand_in() as awx:
        awx_bed.apply(awx, JANSEN, HARBOUR)
        yield awx


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    """Declarations that a test may change."""
    return shutil.copytree(DECLARED, tmp_path / "awx")


def change(directory: Path, file: str, old: str, new: str) -> None:
    path = directory / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def start(awx: StandInAwx, token: str, name: str, kind: str = "job_templates", **variables: Any) -> tuple[int, Any]:
    """Start a template as somebody."""
    request = urllib.request.Request(  # noqa: S310 - the stand-in on a loopback address
        f"{awx.url}/api/v2/{kind}/{awx.named(kind, name)['id']}/launch/",
        data=json.dumps({"extra_vars": variables}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


# -- what the tasks are made of ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASK_FILES)
def test_every_argument_of_a_task_is_one_of_the_modules_own(name: str) -> None:
    for task in awx_bed.tasks(name):
        (module,) = (key for key in task if key.startswith("awx.awx."))
        spec = awx_bed.argument_spec(module.removeprefix("awx.awx."))
        assert set(task[module]) <= set(spec), task["name"]
        assert {option for option, of in spec.items() if of.get("required")} <= set(task[module]), task["name"]


def test_every_declared_playbook_exists() -> None:
    data = read_directory(DECLARED)
    for one in (*data["job_templates"], *data["self_service"]):
        assert (ROOT / one["playbook"]).is_file(), one


def test_a_task_takes_every_argument_that_is_compared() -> None:
    """Else a difference would be seen at every run and never be mended."""
    sections = {task["loop"].split(".")[-1].rstrip(" }"): task for task in awx_bed.tasks("apply.yml")}
    for one in wanted(read_directory(DECLARED), [JANSEN]):
        task = sections[one.section]
        (module,) = (key for key in task if key.startswith("awx.awx."))
        assert set(one.arguments) <= set(task[module]), one.section


# -- made, and made once ----------------------------------------------------------------------------------------------


def test_one_run_makes_all_of_it(applied: StandInAwx) -> None:
    data = read_directory(DECLARED)
    templates = applied.names("job_templates")
    print({kind: len(applied.names(kind)) for kind in KINDS if applied.names(kind)})
    assert {
        f"{slug} {one['name']}" for slug in ("bakkerij-jansen", "harbour-dental") for one in data["job_templates"]
    } <= templates
    assert "bakkerij-jansen Een programma installeren" in templates  # in the language of who reads it
    assert "harbour-dental Install a program" in templates
    tick = applied.named("schedules", "bakkerij-jansen Patch tick")
    assert re.fullmatch(
        r"DTSTART;TZID=Europe/Amsterdam:20260101T00\d{4} RRULE:FREQ=MINUTELY;INTERVAL=15", tick["rrule"]
    )


def test_the_second_run_writes_nothing(applied: StandInAwx) -> None:
    applied.requests.clear()
    outcome = awx_bed.apply(applied, JANSEN, HARBOUR)
    print(f"{len(applied.requests)} requests, {len(applied.writes())} of them writes")
    assert (outcome.summary, applied.writes()) == ({}, [])


def test_work_on_hosts_is_done_at_the_customers_site_or_not_at_all(applied: StandInAwx) -> None:
    scan = applied.named("job_templates", "bakkerij-jansen Patch scan")
    groups = applied.linked["job_templates", scan["id"], "instance_groups"]
    assert [applied.tables["instance_groups"][one]["name"] for one in groups] == ["site-jansen"]
    assert scan["prevent_instance_group_fallback"] is True
    report = applied.named("job_templates", "bakkerij-jansen Patch report")
    assert applied.linked.get(("job_templates", report["id"], "instance_groups"), []) == []


def test_a_workflow_has_its_nodes_and_waits_for_a_yes(applied: StandInAwx) -> None:
    workflow = applied.named("workflow_job_templates", "bakkerij-jansen Standardise with approval")
    nodes = {
        node["identifier"]: node
        for node in applied.tables["workflow_job_template_nodes"].values()
        if node["workflow_job_template"] == workflow["id"]
    }
    assert set(nodes) == {"preview", "approve", "standardise", "measure"}
    waits = applied.tables["workflow_approval_templates"][nodes["approve"]["unified_job_template"]]
    assert waits["timeout"] == 72 * 3600
    after = applied.linked["workflow_job_template_nodes", nodes["preview"]["id"], "success_nodes"]
    assert after == [nodes["approve"]["id"]]


# -- what is changed, and what is left alone --------------------------------------------------------------------------


def test_a_change_of_one_declaration_changes_that_alone(applied: StandInAwx, declared: Path) -> None:
    change(declared, "job_templates.yml", "Finds what waits on every host", "Looks what waits")
    applied.requests.clear()
    outcome = awx_bed.apply(applied, JANSEN, HARBOUR, directory=declared)
    assert outcome.summary == {
        "job_templates": {"changed": ["bakkerij-jansen Patch scan", "harbour-dental Patch scan"]}
    }
    assert outcome.diff["before"]["job_templates"]["bakkerij-jansen Patch scan"] == {
        "description": "Finds what waits on every host [msp.ops]"
    }
    # One write for each, and AWX fetches the project before its templates are touched.
    assert [method for method, _path, _body in applied.writes()] == ["POST", "PATCH", "PATCH"]
    awx_bed.apply(applied, JANSEN, HARBOUR)


def test_what_somebody_changed_in_awx_is_changed_back(applied: StandInAwx) -> None:
    row = applied.named("job_templates", "bakkerij-jansen Patch tick")
    row["ask_variables_on_launch"] = True
    outcome = awx_bed.apply(applied, JANSEN, HARBOUR)
    assert outcome.diff["after"] == {"job_templates": {row["name"]: {"ask_variables_on_launch": False}}}
    assert row["ask_variables_on_launch"] is False


def test_a_new_secret_is_told_by_its_generation(applied: StandInAwx, declared: Path) -> None:
    change(
        declared,
        "credentials.yml",
        "secrets: {url: store_url}\n    generation: 1",
        "secrets: {url: store_url}\n    generation: 2",
    )
    outcome = awx_bed.apply(applied, JANSEN, HARBOUR, directory=declared)
    mine = [f"{one.slug} evidence store" for one in (JANSEN, HARBOUR)]
    assert outcome.summary == {"credentials": {"changed": mine}}
    assert ("PATCH", "made-up-store_url-9f3k") in [
        (method, (body.get("inputs") or {}).get("url")) for method, _path, body in applied.writes()
    ]
    awx_bed.apply(applied, JANSEN, HARBOUR)


def test_it_removes_what_it_made_and_nothing_else(applied: StandInAwx, declared: Path) -> None:
    organization = applied.named("organizations", "Example IT")["id"]
    project = applied.named("projects", "msp.ops")["id"]
    theirs = applied.add(
        "job_templates", name="bakkerij-jansen by hand", project=project, playbook="playbooks/audit.yml"
    )
    applied.add("teams", name="harbour-dental friends", organization=organization)
    before = {kind: applied.names(kind) for kind in ("job_templates", "teams", "inventories", "schedules")}
    awx_bed.apply(applied, JANSEN)
    for kind, names in before.items():
        gone = names - applied.names(kind)
        assert gone == {name for name in names if name.startswith("harbour-dental ")} - {"harbour-dental friends"}, kind
    assert theirs["id"] in applied.tables["job_templates"]
    assert {one["name"] for one in applied.tables["credentials"].values() if "harbour" in one["name"]} == set()
    awx_bed.apply(applied, JANSEN, HARBOUR)


def test_a_name_that_somebody_else_has_is_not_taken_over(applied: StandInAwx) -> None:
    row = applied.named("teams", "bakkerij-jansen leads")
    row["description"] = "Ours since 2019"
    applied.requests.clear()
    with pytest.raises(MspErrors) as caught:
        awx_bed.apply(applied, JANSEN, HARBOUR)
    assert caught.value.code == "MSP-AWX-004"
    assert applied.writes() == []
    row["description"] = "Who says yes where a workflow waits [msp.ops]"


def test_a_customer_that_is_missing_by_mistake_is_not_removed(applied: StandInAwx) -> None:
    with pytest.raises(MspError) as caught:
        awx_bed.look(applied, JANSEN, most_removed=10)
    assert caught.value.code == "MSP-AWX-005"


def test_a_template_whose_job_runs_is_not_removed(applied: StandInAwx) -> None:
    start(applied, applied.token, "harbour-dental Audit")
    with pytest.raises(AssertionError, match="Resource is being used by running jobs"):
        awx_bed.apply(applied, JANSEN)
    for job in applied.tables["jobs"].values():
        job["status"] = "successful"
    awx_bed.apply(applied, JANSEN, HARBOUR)


# -- who may start what -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people(applied: StandInAwx) -> dict[str, str]:
    """A token for each of some people, by their names."""
    tokens = {}
    for customer in ("bakkerij-jansen", "harbour-dental"):
        for team in ("technicians", "leads", "users"):
            name = f"{team} of {customer}"
            tokens[name] = applied.person(name)
            applied.join(name, f"{customer} {team}")
    tokens["worker"] = applied.person("worker")
    applied.join("worker", "event worker")
    return tokens


def test_a_technician_of_one_customer_starts_nothing_of_another(applied: StandInAwx, people: dict[str, str]) -> None:
    token = people["technicians of bakkerij-jansen"]
    assert start(applied, token, "bakkerij-jansen Patch scan")[0] == 201
    for kind in ("job_templates", "workflow_job_templates"):
        others = [name for name in applied.names(kind) if name.startswith("harbour-dental ")]
        assert others
        for name in others:
            assert start(applied, token, name, kind)[0] == 403, name


def test_what_changes_machines_is_for_leads_or_waits_for_one(applied: StandInAwx, people: dict[str, str]) -> None:
    technician, lead = people["technicians of bakkerij-jansen"], people["leads of bakkerij-jansen"]
    assert start(applied, technician, "bakkerij-jansen Standardise")[0] == 403
    assert start(applied, lead, "bakkerij-jansen Standardise")[0] == 201
    assert start(applied, technician, "bakkerij-jansen Standardise with approval", "workflow_job_templates")[0] == 201
    workflow = applied.named("workflow_job_templates", "bakkerij-jansen Standardise with approval")
    approving = applied.roles[workflow["__roles"]["approval_role"]]["teams"]
    assert approving == {applied.named("teams", "bakkerij-jansen leads")["id"]}


def test_end_users_start_what_is_offered_to_them_alone(applied: StandInAwx, people: dict[str, str]) -> None:
    token = people["users of harbour-dental"]
    started = {name for name in applied.names("job_templates") if start(applied, token, name)[0] != 403}
    titles = {offer["title"]["en"] for offer in read_directory(DECLARED)["self_service"]}
    assert started == {f"harbour-dental {title}" for title in titles}


def test_only_the_worker_starts_what_takes_variables(applied: StandInAwx, people: dict[str, str]) -> None:
    asking = [row["name"] for row in applied.tables["job_templates"].values() if row["ask_variables_on_launch"]]
    assert len(asking) == 2 * (len(running_awx.TEMPLATES) + len(catalogue()))
    for name in asking:
        may = {who for who, token in people.items() if start(applied, token, name)[0] == 201}
        assert may == {"worker"}, name


def test_who_starts_a_template_cannot_change_its_customer(applied: StandInAwx, people: dict[str, str]) -> None:
    for who, name in (("leads", "bakkerij-jansen Patch tick"), ("users", "bakkerij-jansen Een account ontgrendelen")):
        answers = {"self_service_asset": "lt-1", "self_service_account": "anna", "customer": "harbour-dental"}
        status, job = start(applied, people[f"{who} of bakkerij-jansen"], name, **answers)
        given = json.loads(applied.tables["jobs"][job["job"]]["extra_vars"])
        assert (status, given["customer"]) == (201, "bakkerij-jansen")
        assert "customer" in job["ignored_fields"]["extra_vars"]


def test_a_survey_takes_no_other_choice(applied: StandInAwx, people: dict[str, str]) -> None:
    name = "bakkerij-jansen Een programma installeren"
    token = people["users of bakkerij-jansen"]
    status, said = start(applied, token, name, self_service_asset="lt-1", self_service_package="netcat")
    assert status == 400
    assert "expected to be one of" in said["variables_needed_to_start"][0]


# -- secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_reach_awx_and_are_in_nothing_that_it_shows(applied: StandInAwx) -> None:
    kept = json.dumps(list(applied.hidden.values()))
    shown = json.dumps([list(table.values()) for table in applied.tables.values()], default=str)
    for value in awx_bed.secrets().values():
        assert value in kept
        assert value not in shown


def test_no_credential_leaves_a_file_or_a_variable(applied: StandInAwx) -> None:
    for row in applied.tables["credential_types"].values():
        assert set(row["injectors"]) <= {"env"}, row["name"]


# -- ansible-playbook -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Declarations of one of each, and an entry of a customer."""
    directory = shutil.copytree(DECLARED, tmp_path_factory.mktemp("small") / "awx")
    for name, keep in (("job_templates", 1), ("workflows", 0), ("schedules", 1), ("teams", 1), ("self_service", 1)):
        path = directory / f"{name}.yml"
        data = yaml.safe_load(path.read_text())
        data[name] = data[name][:keep]
        path.write_text(yaml.safe_dump(data))
    used = ("NetBox", "machines", "evidence store")
    _edit(
        directory / "credentials.yml",
        lambda data: data.update(credentials=[one for one in data["credentials"] if one["name"] in used]),
    )
    _edit(
        directory / "credential_types.yml",
        lambda data: data.update(credential_types=data["credential_types"][:2]),
    )
    _edit(directory / "job_templates.yml", lambda data: data["job_templates"][0].update(teams=["technicians"]))
    _edit(directory / "self_service.yml", lambda data: data["self_service"][0].update(teams=["technicians"]))
    _edit(directory / "schedules.yml", lambda data: data["schedules"][0].update(run="Audit"))
    _edit(
        directory / "workflows.yml",
        lambda data: data["workflows"].append(
            {
                "name": "Asked",
                "teams": ["technicians"],
                "approvers": ["technicians"],
                "nodes": [{"id": "ask", "approval": "Go on", "success": ["audit"]}, {"id": "audit", "run": "Audit"}],
            }
        ),
    )
    (directory.parent / "customers.yml").write_text(
        "- {slug: bakkerij-jansen, timezone: Europe/Amsterdam, language: nl, instance_group: site-jansen}\n"
    )
    return directory


def _edit(path: Path, how: Any) -> None:
    data = yaml.safe_load(path.read_text())
    how(data)
    path.write_text(yaml.safe_dump(data))


def play(awx: StandInAwx, directory: Path, *options: str) -> str:
    """playbooks/awx.yml, and all that it said, with -vvv."""
    secrets = directory.parent / "secrets.yml"
    secrets.write_text(json.dumps({"awx_secrets": awx_bed.secrets()}))
    secrets.chmod(0o600)
    done = subprocess.run(
        [
            *("ansible-playbook", "-vvv", "playbooks/awx.yml", "-e", f"@{secrets}", "-e", f"awx_directory={directory}"),
            *("-e", f"awx_customers_file={directory.parent / 'customers.yml'}", *options),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / 'collections'}{os.pathsep}{awx_bed.collections()}",
            "ANSIBLE_INVENTORY": os.devnull,
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "CONTROLLER_HOST": awx.url,
            "CONTROLLER_OAUTH_TOKEN": awx.token,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def test_the_playbook_previews_applies_and_then_has_nothing_to_do(small: Path) -> None:
    with awx_bed.stand_in() as awx:
        preview = play(awx, small, "--check", "--diff")
        assert awx.writes() == []
        assert "+  bakkerij-jansen Audit:" in preview

        first = play(awx, small)
        made = len(awx.writes())
        assert {"bakkerij-jansen Audit", "bakkerij-jansen Een programma installeren"} <= awx.names("job_templates")
        awx.requests.clear()

        second = play(awx, small, "--diff")
        print(f"first run {made} writes, second {len(awx.writes())} writes of {len(awx.requests)} requests")
        assert awx.writes() == []
        assert re.search(r"changed=0 .*failed=0", second)
        for value in (*awx_bed.secrets().values(), awx.token):
            assert value not in preview + first + second


# -- self-service, whoever starts it ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory of two customers, whose one machine is this one."""
    contract = {"id": "C-1", "start": "2020-01-01", "end": None}

    def machine(customer: str, name: str, status: str = "contracted") -> dict[str, Any]:
        msp = {"customer": customer, "timezone": "UTC", "status": status, "contract": contract, "asset": {"name": name}}
        return {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "msp": msp}

    hosts = {
        "till03.jansen": machine("bakkerij-jansen", "till03"),
        "old01.jansen": machine("bakkerij-jansen", "old01", "excluded"),
        "desk01.harbour": machine("harbour-dental", "desk01"),
    }
    path = tmp_path_factory.mktemp("machines") / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": {"children": {"status_contracted": {"hosts": hosts}}}}))
    return path


def ask(machines: Path, playbook: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *("ansible-playbook", "-i", str(machines), f"playbooks/self_service/{playbook}.yml", "--check"),
            *("-e", json.dumps({"customer": "bakkerij-jansen", **variables})),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "ANSIBLE_BECOME": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("asset", "package", "code"),
    [("till03", "netcat", "MSP-SLF-002"), ("desk01", "vlc", "MSP-SLF-003")],  # desk01 is another customer's
)
def test_the_playbook_refuses_what_the_survey_would_have(machines: Path, asset: str, package: str, code: str) -> None:
    done = ask(machines, "install", self_service_asset=asset, self_service_package=package)
    assert done.returncode != 0
    assert code in done.stdout + done.stderr
    assert "Install the program" not in done.stdout


def test_the_playbook_does_what_is_allowed_on_that_machine_alone(machines: Path) -> None:
    own = {"self_service_package": ["coreutils"]}
    done = ask(machines, "install", self_service_asset="TILL03", self_service_package="coreutils", self_service_own=own)
    assert done.returncode == 0, done.stdout + done.stderr
    done_there = done.stdout.partition("TASK [Install the program]")[2].partition("PLAY RECAP")[0]
    assert "till03.jansen" in done_there
    assert "desk01" not in done_there
    assert "old01" not in done_there
