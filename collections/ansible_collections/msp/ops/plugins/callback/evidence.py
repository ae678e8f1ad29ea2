# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The callback msp.ops.evidence: tells recording.py of a run, and hands what it makes of it to the spool.

Reads no task argument; of results one slug, for whom an action of ours worked; of roles whether the scope guard was
told that the run only looks. Opens the store only after the last task, when no worker is forked any more.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: evidence
type: notification
short_description: Record every playbook run as evidence
version_added: 0.1.0
author: The msp.ops founders (@msp-ops)
description:
  - Records who or what started a playbook, when, on which controller, whether it only looked (check mode), which hosts
    it touched with which result in how many seconds, and the minutes it took per customer, planned or not, inside or
    outside the contract.
  - Records appear in a local spool at once and are delivered to the evidence store when the run has ended. A store that
    cannot be reached neither fails nor slows the run; the next run, or C(./msp store deliver), delivers what waits.
  - A run that dies leaves its start in the spool; the next delivery records it with the outcome V(interrupted).
  - Task arguments and results are never recorded, but for one word. An action of msp.ops that works for one customer
    on the controller (M(msp.ops.customer), M(msp.ops.verification_report), M(msp.ops.verification_sheet)) names the
    customer in its result. The run is then that customer's, and its minutes are inside the contract.
  - A run in check mode is recorded, and its minutes are nobody's.
  - The run's id is in the environment variable E(MSP_RUN_ID) for plugins that record more about it.
  - Inside a container or an AWX job the run is refused before its first task when the spool, or a SQLite store, is on a
    path that is not declared durable in E(MSP_DURABLE_PATHS).
requirements:
  - SQLAlchemy 2, and psycopg 3 for a store in PostgreSQL
options:
  store_url:
    description:
      - URL of the evidence store, V(sqlite:////path/to/file) or V(postgresql://user@host/database).
      - Without it a SQLite file in C($XDG_STATE_HOME/msp.ops) is used.
    type: str
    env:
      - name: MSP_STORE_URL
  delivery_seconds:
    description: How long the delivery at the end of a run may take. What is not delivered by then waits in the spool.
    type: float
    default: 20
    env:
      - name: MSP_DELIVERY_SECONDS
    ini:
      - section: callback_msp_evidence
        key: delivery_seconds
seealso:
  - plugin: msp.ops.netbox
    plugin_type: inventory
    description: Gives hosts the variable that names their customer and contract status.
"""

EXAMPLES = r"""
enable: |
  [defaults]
  callbacks_enabled = msp.ops.evidence
outside the contract: |
  ansible-playbook playbooks/audit.yml --limit till02.bakery,localhost -e out_of_scope_ticket=T-4711
"""

import datetime as dt
import getpass
import os
import socket
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.callback import CallbackBase

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import address, durability, recording, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Run
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.starter import Starter, starter, ticket_of


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _shown(file_name: str | None) -> str:
    """A playbook by its path from here, where it is below; else by its whole path. None: an ad hoc task."""
    if not file_name:
        return "ad hoc"
    path = Path(file_name).resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _started_by(extra_vars: dict[str, Any]) -> Starter:
    return starter(
        os.environ,
        extra_vars,
        login=_login(),
        cgroup=_read("/proc/self/cgroup"),
        terminal=bool(sys.stdin and sys.stdin.isatty()),
    )


def _guards(play: Any) -> list[bool]:
    """Whether the run only looks, as the playbook says it to each scope guard of the play."""
    said = [
        {**play.get_vars(), **role.get_vars(include_params=True)}.get("msp_scope_guard_read_only", False)
        for role in play.get_roles()
        if role.get_name(include_role_fqcn=False) == "msp_scope_guard"
    ]
    return [bool(boolean(value, strict=False)) for value in said]


def _when(result: Any) -> tuple[str, str, float]:
    """What ended now: the host, the task's id, the time."""
    return result.host.name, str(result.task._uuid), time.monotonic()


def _customer(result: Any) -> str | None:
    """For whom an action of ours worked. The result of any other task is not looked at."""
    ours = str(result.task.action).startswith(recording.OUR_ACTIONS)
    return recording.customer_in(result.result) if ours else None


def _told(problem: str, incomplete: bool, rejected: list[str], directory: Path, seconds: float) -> list[str]:
    """What a person must know of a delivery: what waits, what does not wait because the store can never take it."""
    later = f"waits in {directory} and is delivered by the next run or ./msp store deliver."
    told = []
    if problem:
        told.append(f"The evidence of this run {later} {problem}")
    elif incomplete:
        told.append(f"Not all evidence was delivered within {seconds:g} s; what is left {later}")
    if rejected:
        told.append(
            f"The store can't take {len(rejected)} of the records that waited. They are kept in "
            f"{directory / spool.REJECTED}, each with its reason, and are not delivered again. The first: {rejected[0]}"
        )
    return told


class CallbackModule(CallbackBase):
    """Records every playbook run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "msp.ops.evidence"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: Any = None, options: Any = None) -> None:
        super().__init__(display=display, options=options)
        self._recording: recording.Recording | None = None
        self._spool: spool.Spool | None = None
        self._play: Any = None
        self._guards: list[bool] = []
        self._hosts: dict[str, Any] = {}
        self._counted: dict[str, dict[str, int]] = {}

    # What Ansible tells

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Each playbook of a command is a run of its own: Ansible tells of its end before the next begins."""
        self._refuse_what_vanishes()
        self._play = None
        self._guards = []
        started = _started_by({})
        run = Run(
            id=uuid.uuid4().hex,
            playbook=_shown(playbook._file_name),
            started=dt.datetime.now(dt.UTC),
            ended=None,
            started_by=started.by,
            controller=socket.gethostname(),
            check_mode=False,
        )
        self._recording = recording.Recording(run, planned=started.planned)
        os.environ["MSP_RUN_ID"] = run.id

    def v2_playbook_on_play_start(self, play: Any) -> None:
        first = self._play is None
        self._play = play
        self._guards += _guards(play)
        if self._recording is None or not first:
            return
        extra_vars = dict(play.get_variable_manager().extra_vars)
        started = _started_by(extra_vars)
        self._recording.planned = started.planned
        self._recording.named(
            started_by=started.by,
            check_mode=bool(play.check_mode),
            out_of_scope_ticket=ticket_of(extra_vars),
            extra={"kind": started.kind},
        )
        self._append([self._recording.run])

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if self._recording is not None:
            self._hosts[host.name] = host
            self._recording.task_started(host.name, str(task._uuid), time.monotonic())

    def _ended(self, result: Any) -> None:
        if self._recording is not None:
            self._recording.task_ended(*_when(result), customer=_customer(result))

    def _item_ended(self, result: Any) -> None:
        if self._recording is not None:
            self._recording.item_ended(*_when(result), customer=_customer(result))

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._item_ended(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._item_ended(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._item_ended(result)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._ended(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._ended(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._ended(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._ended(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if self._recording is None:
            return
        counts = self._counts_of_this_playbook(stats)
        places = {name: self._place(name, self._recording.run.started) for name in counts}
        run, hosts, effort = self._recording.finished(dt.datetime.now(dt.UTC), counts, places)
        self._append([run, *hosts, *effort])
        self._recording = None
        self._deliver()

    def _counts_of_this_playbook(self, stats: Any) -> dict[str, dict[str, int]]:
        """Ansible counts on from playbook to playbook; hosts that this one did not touch are left out."""
        whole = {name: dict(stats.summarize(name)) for name in stats.processed}
        before, self._counted = self._counted, whole
        counts = {
            name: {what: number - before.get(name, {}).get(what, 0) for what, number in found.items()}
            for name, found in whole.items()
        }
        return {name: found for name, found in counts.items() if any(found.values()) or name not in before}

    # What we do with it

    def _refuse_what_vanishes(self) -> None:
        """DESIGN rule 2: before the first change, not after it. Ends the run, as no callback result can."""
        try:
            directory = spool.default_directory()
            durability.require(directory, "spool")
            if (path := address.sqlite_path(self._url())) is not None:
                durability.require(path, "evidence store")
        except MspError as error:
            self._display.error(str(error))
            raise SystemExit(1) from error

    def _url(self) -> str:
        return str(self.get_option("store_url") or "") or address.default_url()

    def _append(self, records: list[Any]) -> None:
        try:
            if self._spool is None:
                self._spool = spool.Spool()
            self._spool.append(records)
        except MspError as error:
            self._display.warning(f"This run is not recorded. {error}")
            self._recording = None

    def _place(self, name: str, at: dt.datetime) -> recording.Place:
        """Whose a host is. The inventory sets `msp` on the host; elsewhere it may come from group variables."""
        host = self._hosts.get(name)
        if host is None:
            return recording.Place()
        variable = host.vars.get("msp")
        if variable is None and self._play is not None:
            manager = self._play.get_variable_manager()
            variable = manager.get_vars(play=self._play, host=host, include_hostvars=False).get("msp")
        # Only when every guard was told so: a run that changes one host is not one that only looks.
        return recording.place_of(variable, at, read_only=bool(self._guards) and all(self._guards))

    def _deliver(self) -> None:
        """Try to deliver, in a thread of its own so that whatever hangs cannot hold the run up."""
        written, self._spool = self._spool, None
        if written is None:
            return
        seconds = float(self.get_option("delivery_seconds"))
        problems: list[str] = []
        delivered: list[Any] = []
        try:
            written.close()
        except MspError as error:
            problems.append(str(error))
        thread = threading.Thread(target=self._deliver_now, args=(seconds, problems, delivered), daemon=True)
        thread.start()
        thread.join(seconds)
        incomplete = thread.is_alive() or not all(done.complete for done in delivered)
        rejected = [reason for done in delivered for reason in done.rejected]
        for text in _told("".join(problems[:1]), incomplete, rejected, written.directory, seconds):
            self._display.warning(text)

    def _deliver_now(self, seconds: float, problems: list[str], delivered: list[Any]) -> None:
        end = time.monotonic() + 0.9 * seconds  # a little before nobody listens any more
        # Imported here: SQLAlchemy costs half a second, and no worker is waiting any more.
        from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver
        from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

        try:
            with Store.open(self._url(), timeout=max(1.0, seconds / 2)) as store:
                delivered.append(deliver.deliver(store, seconds=max(0.0, end - time.monotonic())))
        except MspError as error:
            problems.append(str(error))
        except Exception as error:  # evidence never fails a run; the type is enough to report the defect
            problems.append(f"MSP-EVD-012: the delivery met a defect: {type(error).__name__}")
