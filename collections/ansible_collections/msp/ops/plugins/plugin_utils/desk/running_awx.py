# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a playbook for the worker as a job of AWX: the customer's own job template, with its inventory and credentials.

A worker that died may have left a job, and that job may have ended since. It is known by the event in its variables,
and is not launched again. Source: the API of AWX 24.6.1.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import Work
from ansible_collections.msp.ops.plugins.plugin_utils.desk.running import FAILED, LOST, OK, Ran, first_error

with suppress(ImportError):  # named when it is needed
    import requests

HOST, TOKEN, ORGANIZATION, VERIFY = (
    *("CONTROLLER_HOST", "CONTROLLER_OAUTH_TOKEN", "MSP_AWX_ORGANIZATION", "CONTROLLER_VERIFY_SSL"),
)
TIMEOUT = (4.0, 30.0)
LOOK_SECONDS = 2.0
GONE = "MSP-EVT-004"
# Of a template's jobs, so many of the newest: more than there can be while a worker is away.
LOOKED_THROUGH = 100
ENDED = ("successful", "failed", "error", "canceled")
# By playbook, the job template of a customer; awx/job_templates.yml declares them. They are no technician's: variables
# and hosts are given at the start.
TEMPLATES = {
    "playbooks/audit.yml": "Event Audit",
    "playbooks/standardise.yml": "Event Standardise",
    "playbooks/offboard.yml": "Event Off-board",
    "playbooks/patch_calendar.yml": "Event Patch calendar",
    "playbooks/standard_scan.yml": "Event Standard scan",
}
RUNBOOKS = "playbooks/runbooks/"


def from_environment() -> Awx | None:
    """The AWX that the environment names, None where it names none."""
    host = os.environ.get(HOST, "").strip()
    if not host:
        return None
    token, organization = os.environ.get(TOKEN, "").strip(), os.environ.get(ORGANIZATION, "").strip()
    if not token or not organization:
        raise MspError(
            "MSP-EVT-002",
            f"{TOKEN} and {ORGANIZATION} beside {HOST}: AWX is to run what follows from events",
            "no token" if not token else "no organisation",
            f"set both, or leave {HOST} out, and ./msp worker runs playbooks itself",
        )
    verify = os.environ.get(VERIFY, "true").strip().lower() not in ("false", "no", "0", "off")
    return Awx(host if "://" in host else f"https://{host}", token, organization, verify)


def template_of(work: Work) -> str:
    """The name of the job template of a run, without its customer."""
    if work.playbook.startswith(RUNBOOKS):
        name = work.playbook.removeprefix(RUNBOOKS).removesuffix(".yml")
        return f"Event Runbook {name.replace('_', ' ')}"
    return TEMPLATES[work.playbook]


class Awx:
    """One AWX, as the worker's user. The token is in no error and no log."""

    def __init__(self, url: str, token: str, organization: str, verify: bool = True) -> None:
        self.url = url.rstrip("/")
        self.organization = organization
        self._verify = verify
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pause = threading.Event()

    def __repr__(self) -> str:
        return f"Awx({self.url!r})"

    def run(self, work: Work, ours: Callable[[], bool]) -> Ran:
        """Launch it, or find the job that was launched for the same event, and wait for its end."""
        name = f"{work.variables['customer']} {template_of(work)}"
        template = self._template(name)
        job = self._launched(template, work, ours)
        if job is None:
            if not ours():
                return Ran(LOST, "awx", "the work was taken over by another worker")
            job = self._launch(template, name, work)
        how = f"awx job {job}"
        row = self._ended(job, ours)
        if row is None:
            # Whoever took the work over finds the job, and waits for it.
            return Ran(LOST, how, "the work was taken over by another worker")
        if row["status"] == "successful":
            return Ran(OK, how)
        return Ran(FAILED, how, self._said(job) or f"the job ended with {row['status']}: {row.get('job_explanation')}")

    def _template(self, name: str) -> int:
        found = self._call("GET", "job_templates/", params={"name": name, "organization__name": self.organization})
        if not found["results"]:
            raise MspError(
                "MSP-EVT-005",
                f"the job template {name!r} in the organisation {self.organization!r} of AWX at {self.url}",
                "none that the worker may see",
                f"apply playbooks/awx.yml, and put the user of {TOKEN} into its team for events",
            )
        return int(found["results"][0]["id"])

    def _launched(self, template: int, work: Work, ours: Callable[[], bool]) -> int | None:
        """The job of this event, ended or not; None where there is none.

        A job on the same hosts for an earlier event is waited for first: its worker died, and two at once must not be.
        AWX filters no jobs by their variables, so those of the template are looked through, newest first.
        """
        while ours():
            asked = {"order_by": "-id", "page_size": LOOKED_THROUGH}
            rows = self._call("GET", f"job_templates/{template}/jobs/", params=asked)["results"]
            mine = [row for row in rows if _event_in(row.get("extra_vars")) == work.variables["msp_event"]]
            if mine:
                return int(mine[0]["id"])
            if all(row["status"] in ENDED or row.get("limit") != work.limit for row in rows):
                return None
            self._pause.wait(LOOK_SECONDS)
        return None

    def _ended(self, job: int, ours: Callable[[], bool]) -> Mapping[str, Any] | None:
        """The job, when it has ended; None where the work is another's now. While AWX is away the job may well run, so
        that is waited for too, with everything held."""
        while ours():
            try:
                row = self._call("GET", f"jobs/{job}/")
            except MspError as error:
                if error.code != GONE:
                    raise
            else:
                if row["status"] in ENDED:
                    return row
            self._pause.wait(LOOK_SECONDS)
        return None

    def _launch(self, template: int, name: str, work: Work) -> int:
        body = {"extra_vars": json.dumps(dict(work.variables)), **({"limit": work.limit} if work.limit else {})}
        what = f"the job template {name!r}"
        made = self._call("POST", f"job_templates/{template}/launch/", json=body, what=what)
        # AWX leaves out what a template does not ask for, and runs it all the same: on every host of the customer.
        if left := sorted(set(made.get("ignored_fields") or ()) & {"limit", "extra_vars", *work.variables}):
            self._call("POST", f"jobs/{made['job']}/cancel/")
            raise MspError(
                "MSP-EVT-003",
                f"that the job template {name!r} asks for a limit and for variables when it is launched",
                f"AWX left out {', '.join(left)}; the job was cancelled",
                "apply playbooks/awx.yml again, which declares it so",
            )
        return int(made["job"])

    def _said(self, job: int) -> str:
        asked = {"event__in": "runner_on_failed,runner_on_unreachable,runner_item_on_failed", "order_by": "counter"}
        return first_error(self._call("GET", f"jobs/{job}/job_events/", params=asked)["results"])

    def _call(self, method: str, path: str, *, what: str = "", **more: Any) -> Mapping[str, Any]:
        try:
            # No session: several threads work with this. The hook keeps requests from putting what it finds in
            # ~/.netrc in the token's place.
            answer = requests.request(
                method,
                f"{self.url}/api/v2/{path}",
                headers=self._headers,
                auth=lambda request: request,
                verify=self._verify,
                timeout=TIMEOUT,
                allow_redirects=False,
                **more,
            )
            body = answer.json() if answer.content else {}
        except (requests.RequestException, ValueError) as error:
            raise self._away(f"{type(error).__name__} from {path}") from None
        if answer.status_code >= 500 or answer.is_redirect:
            raise self._away(f"HTTP {answer.status_code} from {path}")
        if answer.status_code >= 400:
            raise MspError(
                "MSP-EVT-005",
                f"that AWX at {self.url} lets the worker use {what or path}",
                f"HTTP {answer.status_code}: {' '.join(str(body.get('detail', body)).split())[:200]}",
                f"apply playbooks/awx.yml, and give the user of {TOKEN} the right to execute it",
            )
        return dict(body)

    def _away(self, found: str) -> MspError:
        return MspError(
            GONE,
            f"an answer of AWX at {self.url}",
            found,
            f"check {HOST} and that AWX is up; the event waits until it is",
        )


def _event_in(extra_vars: Any) -> str | None:
    try:
        return str(json.loads(extra_vars or "{}").get("msp_event"))
    except (TypeError, ValueError, AttributeError):
        return None
