# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worker's work as jobs of AWX, against a stand-in of the few addresses that it uses. No real AWX was met."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import running_awx
from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import PLAYBOOKS, Work
from ansible_collections.msp.ops.plugins.plugin_utils.desk.running import FAILED, LOST, OK
from ansible_collections.msp.ops.plugins.plugin_utils.desk.running_awx import Awx
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import catalogue

WORK = Work("playbooks/audit.yml", "till.bakery,localhost", {"msp_event": "e1", "customer": "bakery"})
TEMPLATE = "bakery Event Audit"


class StandInJobs:
    """AWX's launching and jobs, as a stand-in: a job goes through its statuses, one with each look at it."""

    def __init__(self) -> None:
        self.jobs: dict[int, dict[str, Any]] = {}
        self.course = ["pending", "running", "successful"]
        self.ignored: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.status = 0
        self.launched: list[tuple[str, dict[str, Any]]] = []
        self.cancelled: list[int] = []
        self.looks = 0
        self.away: set[int] = set()  # at which looks at a job AWX does not answer
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*stand_in.answer("GET", self.path, self.headers.get("Authorization"), {}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                self._answer(*stand_in.answer("POST", self.path, self.headers.get("Authorization"), body))

            def _answer(self, status: int, body: Any) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: ARG002
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, target: str, token: str | None, body: dict[str, Any]) -> tuple[int, Any]:
        if self.status:
            return self.status, {"detail": "no"}
        if token != "Bearer t0ken":  # noqa: S105
            return 401, {"detail": "Authentication credentials were not provided."}
        split = urlsplit(target)
        parts = [unquote(part) for part in split.path.strip("/").split("/")[2:]]
        return self._post(parts, body) if method == "POST" else self._get(parts, parse_qs(split.query))

    def _get(self, parts: list[str], asked: dict[str, list[str]]) -> tuple[int, Any]:
        if parts == ["job_templates"]:
            there = asked["name"] == [TEMPLATE] and asked["organization__name"] == ["Example IT"]
            return 200, {"results": [{"id": 5, "name": TEMPLATE}] if there else []}
        if parts == ["job_templates", "5", "jobs"]:
            if any("extra_vars" in name for name in asked):
                return 403, {"detail": "Filtering on extra_vars is not allowed."}  # as AWX does
            rows = sorted((dict(job) for job in self.jobs.values()), key=lambda job: -job["id"])
            for job in self.jobs.values():
                self._on(job)
            return 200, {"results": rows}
        if parts[-1] == "job_events":
            return 200, {"results": self.events}
        self.looks += 1
        if self.looks in self.away:
            return 502, {}
        told = dict(self.jobs[int(parts[1])])
        self._on(self.jobs[int(parts[1])])
        return 200, told

    def _on(self, job: dict[str, Any]) -> None:
        if job["status"] in self.course:
            job["status"] = [*self.course, job["status"]][self.course.index(job["status"]) + 1]

    def _post(self, parts: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        if parts[-1] == "cancel":
            self.cancelled.append(int(parts[1]))
            return 202, {}
        self.launched.append((parts[1], body))
        number = 100 + len(self.jobs)
        self.jobs[number] = {
            "id": number,
            "status": self.course[0],
            "limit": body.get("limit", ""),
            "extra_vars": body["extra_vars"],
        }
        return 201, {"job": number, "id": number, "ignored_fields": self.ignored}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInJobs]:
    monkeypatch.setattr(running_awx, "LOOK_SECONDS", 0.0)
    with StandInJobs() as stand_in:
        yield stand_in


def awx(there: StandInJobs, token: str = "t0ken") -> Awx:  # noqa: S107
    return Awx(there.url, token, "Example IT")


def test_the_customers_own_template_is_launched_with_the_limit_and_waited_for(there: StandInJobs) -> None:
    ran = awx(there).run(WORK, lambda: True)
    assert (ran.status, ran.how) == (OK, "awx job 100")
    ((template, body),) = there.launched
    assert template == "5"
    assert body["limit"] == "till.bakery,localhost"
    assert json.loads(body["extra_vars"]) == {"msp_event": "e1", "customer": "bakery"}


def left(there: StandInJobs, number: int, status: str, event: str, limit: str = WORK.limit) -> None:
    """A job that a worker launched that is dead now."""
    body = json.dumps({"msp_event": event})
    there.jobs[number] = {"id": number, "status": status, "limit": limit, "extra_vars": body}


@pytest.mark.parametrize("status", ["pending", "running", "successful"])
def test_a_job_that_a_dead_worker_left_is_waited_for_and_not_launched_again(there: StandInJobs, status: str) -> None:
    left(there, 7, status, "e1")
    left(there, 9, "running", "e12")
    assert awx(there).run(WORK, lambda: True).how == "awx job 7"
    assert there.launched == []


def test_a_job_on_the_same_host_for_an_earlier_event_is_waited_for_and_then_ours_is_launched(
    there: StandInJobs,
) -> None:
    left(there, 7, "pending", "e0")
    left(there, 8, "running", "e2", "another.bakery,localhost")
    statuses: list[str] = []

    def ours() -> bool:
        statuses.append(str(there.jobs[7]["status"]) if there.launched else "before")
        return True

    assert awx(there).run(WORK, ours).status == OK
    assert len(there.launched) == 1
    assert next(one for one in statuses if one != "before") == "successful"


def test_an_awx_that_is_away_while_the_job_runs_is_waited_for_with_everything_held(there: StandInJobs) -> None:
    there.away = {1, 2, 4}
    assert awx(there).run(WORK, lambda: True).status == OK
    assert len(there.launched) == 1


def test_who_lost_the_work_before_it_began_launches_nothing(there: StandInJobs) -> None:
    assert awx(there).run(WORK, lambda: False).status == LOST
    assert there.launched == []


def test_a_job_that_failed_says_its_first_error(there: StandInJobs) -> None:
    there.course = ["running", "failed"]
    there.events = [
        {"event": "runner_on_failed", "event_data": {"host": "till.bakery", "res": {"msg": "no route to host"}}}
    ]
    ran = awx(there).run(WORK, lambda: True)
    assert (ran.status, ran.said) == (FAILED, "till.bakery: no route to host")
    there.events = []
    assert "ended with failed" in awx(there).run(WORK, lambda: True).said


def test_who_lost_the_work_leaves_the_job_to_who_has_it_now(there: StandInJobs) -> None:
    ran = awx(there).run(WORK, lambda: there.looks < 1)
    assert (ran.status, ran.how) == (LOST, "awx job 100")
    assert there.cancelled == []


def test_a_template_that_leaves_out_the_limit_runs_on_nothing(there: StandInJobs) -> None:
    there.ignored = {"limit": "till.bakery,localhost"}
    with pytest.raises(MspError, match="MSP-EVT-003"):
        awx(there).run(WORK, lambda: True)
    assert there.cancelled == [100]


@pytest.mark.parametrize(("status", "code"), [(503, "MSP-EVT-004"), (403, "MSP-EVT-005")])
def test_an_awx_that_is_away_is_another_error_than_one_that_refuses(there: StandInJobs, status: int, code: str) -> None:
    there.status = status
    with pytest.raises(MspError, match=code):
        awx(there).run(WORK, lambda: True)


def test_a_token_that_awx_does_not_take_and_a_template_that_is_not_there_are_named_and_no_token_is_shown(
    there: StandInJobs,
) -> None:
    with pytest.raises(MspError, match="MSP-EVT-005") as caught:
        awx(there, "s3cret-token").run(WORK, lambda: True)
    assert "s3cret-token" not in str(caught.value)
    assert "s3cret-token" not in repr(awx(there, "s3cret-token"))
    with pytest.raises(MspError, match=r"MSP-EVT-005.*dentist Event Audit"):
        awx(there).run(Work(WORK.playbook, "", {"msp_event": "e1", "customer": "dentist"}), lambda: True)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MspError, match="MSP-EVT-004"):
        Awx("http://127.0.0.1:9", "t", "o").run(WORK, lambda: True)


def test_every_playbook_that_may_follow_has_a_template() -> None:
    names = {
        running_awx.template_of(Work(playbook.format(runbook=runbook), ""))
        for playbook in PLAYBOOKS.values()
        for runbook in catalogue()
    }
    assert "Event Runbook disk full" in names
    assert len(names) == len(PLAYBOOKS) - 1 + len(catalogue())


def test_awx_is_used_where_the_environment_names_it_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (running_awx.HOST, running_awx.TOKEN, running_awx.ORGANIZATION):
        monkeypatch.delenv(name, raising=False)
    assert running_awx.from_environment() is None
    monkeypatch.setenv(running_awx.HOST, "awx.example.com")
    with pytest.raises(MspError, match="MSP-EVT-002"):
        running_awx.from_environment()
    monkeypatch.setenv(running_awx.TOKEN, "t")
    monkeypatch.setenv(running_awx.ORGANIZATION, "Example IT")
    found = running_awx.from_environment()
    assert found is not None
    assert found.url == "https://awx.example.com"
