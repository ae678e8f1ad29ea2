"""./msp doctor: what a run needs, whether it is there, and what to do about it. It looks only and changes nothing.

The checks run side by side, and one that has not answered after 20 seconds is a failure, so that whatever is down it
ends by then; a check that fails itself is a line and not a traceback.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from msp_cli.console import ROOT
from msp_cli.console import lines as printed

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

HELP = "check what a run needs, and say what to do"

OK, WARN, FAIL = "ok", "warn", "fail"
# Only a machine or a NetBox that is overloaded meets this one.
DEADLINE = 20.0
OLDEST_ANSIBLE, TESTED_ANSIBLE = (2, 19), (2, 21)
TESTED_NETBOX = (4, 7)
SKEW_WARN, SKEW_FAIL = 5.0, 60.0
DISK_WARN, DISK_FAIL = 5 * 10**9, 10**9
SPOOL_WARN = dt.timedelta(hours=1)
EVENTS_WARN = dt.timedelta(minutes=5)
CALLBACK = "msp.ops.evidence"
USERS = "users/users"
LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Line:
    """One thing looked at: ok, warn or fail, what was found, and what to do when it is not ok."""

    check: str
    state: str
    found: str
    action: str = ""


Check = Callable[[], Iterator[Line]]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msp doctor", description=HELP)
    parser.add_argument("--json", action="store_true", help="the same for a program")
    try:
        options = parser.parse_args(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    lines = look(
        (
            *(("tools", tools), ("NetBox", netbox), ("evidence store", store), ("escrow", escrow)),
            *(("events", events), ("callback", callback), ("disk", disk)),
        )
    )
    print(json.dumps([asdict(line) for line in lines], indent=2) if options.json else printed(text(lines)))
    return 1 if any(line.state == FAIL for line in lines) else 0


def look(checks: Sequence[tuple[str, Check]], deadline: float = DEADLINE) -> list[Line]:
    """Run the checks side by side; what has not answered at the deadline is a failure."""
    found: list[list[Line]] = [[] for _ in checks]
    threads = [
        threading.Thread(target=_collect, args=(name, check, place), daemon=True)
        for (name, check), place in zip(checks, found, strict=True)
    ]
    end = time.monotonic() + deadline
    for thread in threads:
        thread.start()
    for thread, (name, _), place in zip(threads, checks, found, strict=True):
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            place.append(
                Line(
                    name,
                    FAIL,
                    f"no answer within {deadline:.0f} seconds",
                    "see whether it is overloaded or unreachable",
                )
            )
    return [line for place in found for line in list(place)]


def _collect(name: str, check: Check, place: list[Line]) -> None:
    try:
        for line in check():
            place.append(line)
    except MspError as error:
        place.append(_failed(name, error))
    except Exception as error:
        words = f"the check itself failed: {type(error).__name__}: {error}"
        place.append(Line(name, FAIL, words, "report this as a defect of ./msp doctor"))


def _failed(check: str, error: MspError) -> Line:
    return Line(check, FAIL, f"{error.code}: {error.found}", error.action)


def text(lines: Sequence[Line]) -> str:
    """A line each; below it, what to do."""
    width = max(len(line.check) for line in lines)
    shown = []
    for line in lines:
        shown.append(f"{line.state:<4}  {line.check:<{width}}  {line.found}")
        if line.action and line.state != OK:
            shown.append(f"      {'':<{width}}  -> {line.action}")
    counts = {state: sum(line.state == state for line in lines) for state in (OK, WARN, FAIL)}
    shown.append(f"{counts[OK]} ok, {counts[WARN]} to look at, {counts[FAIL]} failed")
    return "\n".join(shown)


# -- this machine -----------------------------------------------------------------------------------------------------


def tools() -> Iterator[Line]:
    """Python and ansible-core."""
    yield Line("Python", OK, f"{platform.python_version()} at {sys.executable}")
    yield ansible(metadata.version("ansible-core"))


def ansible(version: str) -> Line:
    """The version of ansible-core, given as text."""
    parts = tuple(int(part) for part in version.split(".")[:2])
    action = f"use the one of requirements.lock ({'.'.join(map(str, TESTED_ANSIBLE))}): run through ./msp"
    state = FAIL if parts < OLDEST_ANSIBLE else OK if parts == TESTED_ANSIBLE else WARN
    return Line("ansible-core", state, version, "" if state == OK else action)


# A process of its own: Ansible's plugin loader takes over the import of collections in the process it is used in.
_LOOK_AT_CALLBACK = """
import json, sys
from ansible import constants
from ansible.plugins.loader import callback_loader, init_plugin_loader
enabled = sys.argv[1] in (constants.CALLBACKS_ENABLED or [])
init_plugin_loader()
loaded = enabled and callback_loader.get(sys.argv[1], class_only=True) is not None
print(json.dumps([constants.CONFIG_FILE, enabled, loaded]))
"""


def callback() -> Iterator[Line]:
    """Is the callback that records runs enabled, and can it be loaded?"""
    env = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **os.environ}
    command = [sys.executable, "-c", _LOOK_AT_CALLBACK, CALLBACK]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=DEADLINE, check=False)
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        yield Line("callback", FAIL, f"Ansible does not start: {words}", "correct ansible.cfg or the environment")
        return
    file, enabled, loaded = json.loads(done.stdout.splitlines()[-1])
    source = file or "no ansible.cfg"
    if not enabled:
        action = f"set callbacks_enabled = {CALLBACK} there, or run where the ansible.cfg of msp.ops is"
        yield Line("callback", FAIL, f"{CALLBACK} is not enabled in {source}: runs leave no evidence", action)
    elif not loaded:
        action = "set collections_path to the collections directory of msp.ops"
        yield Line("callback", FAIL, f"{CALLBACK} is enabled in {source} and can't be loaded", action)
    else:
        yield Line("callback", OK, f"{CALLBACK} records every run")


def disk() -> Iterator[Line]:
    """Room and durability of the places that are written to."""
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability

    state = durability.state_directory()
    for name, place in (("disk, state", state), ("disk, checkout", ROOT)):
        yield room(name, place)
    yield durable(state)


def room(name: str, place: Path) -> Line:
    """Free space at a place, or where it would be made, and the right to write there."""
    present = next(path for path in (place, *place.parents) if path.exists())
    free = shutil.disk_usage(present).free
    words = f"{free / 10**9:.1f} GB free at {place}"
    if not os.access(present, os.W_OK):
        return Line(name, FAIL, f"{present} can't be written", "give this user the right, or set XDG_STATE_HOME")
    if free < DISK_WARN:
        return Line(name, FAIL if free < DISK_FAIL else WARN, words, "make room there")
    return Line(name, OK, words)


def durable(state: Path) -> Line:
    """In a container, is the state kept on a path that outlives it?"""
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability

    sign = durability.container()
    if sign is None:
        return Line("durable paths", OK, "not in a container")
    try:
        durability.require(state, "spool and state")
    except MspError as error:
        return _failed("durable paths", error)
    return Line("durable paths", OK, f"in a container ({sign}), and {state} is declared durable")


# -- the escrow -------------------------------------------------------------------------------------------------------


def events() -> Iterator[Line]:
    """What came in and waits; a worker that runs takes what is due within seconds."""
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

    try:
        with Store.open(timeout=5) as opened:
            found, now = incoming.waiting(opened), opened.now()
    except MspError:
        return  # the line of the evidence store says it
    words = f"{found.waiting} waiting, {found.held} being worked on"
    if found.oldest is None or now - found.oldest < EVENTS_WARN:
        yield Line("events", OK, words)
    else:
        words += f"; due since {found.oldest:%Y-%m-%d %H:%M} UTC"
        yield Line("events", WARN, words, "see whether ./msp worker runs (docs/events.md)")


def escrow() -> Iterator[Line]:
    """Where the secrets of hosts lie, and who of each customer may open them."""
    from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
    from ansible_collections.msp.ops.plugins.plugin_utils.escrow import tree
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability

    root = escrowing.directory(os.environ)
    if root is None:
        yield Line("escrow", OK, f"{escrowing.WHERE} is {os.environ[escrowing.WHERE].strip()}")
    else:
        try:
            durability.require(root, "escrow")
            if root.exists():
                tree.alone(root)
            yield Line("escrow", OK, str(root) if root.exists() else f"{root}, which the first secret makes")
        except MspError as error:
            yield _failed("escrow", error)
    yield from recipients(escrowing.recipients_directory(os.environ))


def recipients(directory: Path) -> Iterator[Line]:
    """A customer whose secrets one key opens loses them with that key."""
    from ansible_collections.msp.ops.plugins.plugin_utils.escrow import sealing

    files = sorted(directory.glob("*.txt"))
    alone = []
    for file in files:
        try:
            found = sealing.recipients(file.read_text(encoding="utf-8"), str(file))
        except MspError as error:
            yield _failed("recipients", error)
        except (OSError, UnicodeDecodeError) as error:
            yield Line("recipients", FAIL, f"{file}: {error}", "put the file right")
        else:
            alone += [file.stem] if len(found) == 1 else []
    if not files:
        words = f"no customer has a file in {directory}, so no password or key can be kept"
        yield Line("recipients", WARN, words, "docs/escrow.md says how to name who may open them")
    elif alone:
        words = f"one key alone opens the secrets of {', '.join(alone)}"
        yield Line("recipients", WARN, words, f"name a second one in {directory}")
    else:
        yield Line("recipients", OK, f"{len(files)} customers in {directory}")


# -- the evidence store -----------------------------------------------------------------------------------------------


def store() -> Iterator[Line]:
    """The store's schema, and what waits in the spool to be written to it."""
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

    try:
        with Store.open(timeout=2.0) as opened:
            yield Line("evidence store", OK, opened.name)
    except MspError as error:
        yield _failed("evidence store", error)
    yield spooled()


def spooled() -> Line:
    """What waits in the spool, and since when."""
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool

    waiting, rejected = spool.waiting(), spool.rejected()
    if rejected:
        action = f"look at {rejected[0].parent}; each line says why"
        return Line("spool", WARN, f"{len(rejected)} file(s) that the store does not take", action)
    if waiting and dt.datetime.now(dt.UTC) - spool.began(waiting[0]) > SPOOL_WARN:
        since = spool.began(waiting[0]).isoformat(timespec="minutes")
        return Line("spool", WARN, f"{len(waiting)} file(s) wait since {since}", "run ./msp store deliver")
    return Line("spool", OK, f"{len(waiting)} file(s) wait" if waiting else "empty")


# -- NetBox -----------------------------------------------------------------------------------------------------------


def netbox() -> Iterator[Line]:
    """NetBox itself, then what this token may do there, then our model in it."""
    from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

    try:
        register = Register.connect(timeout=10.0, retries=0)
    except MspError as error:
        yield _failed("NetBox", error)
        return
    with register:
        yield reached(register)
        yield clock(register.clock_skew)
        yield workers(register.status.get("rq-workers-running"))
        yield from rights(register)
        yield model(register)


def reached(register: Register) -> Line:
    """Address and version."""
    split = urlsplit(register.url)
    words = f"{register.status.get('netbox-version')} at {register.url}"
    if split.scheme == "http" and split.hostname not in LOCAL:
        return Line("NetBox", WARN, f"{words}, without TLS", "use https: the token travels in the clear")
    if register.version[:2] != TESTED_NETBOX:
        tested = ".".join(map(str, TESTED_NETBOX))
        return Line("NetBox", WARN, words, f"{tested} is what this version of msp.ops is tested with")
    return Line("NetBox", OK, words)


def clock(skew: float | None) -> Line:
    """How far NetBox's clock is from this one; the change feed and windows rest on it."""
    if skew is None:
        return Line("clock", WARN, "NetBox does not say its time", "see whether a proxy removes the Date header")
    words = f"NetBox's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) < SKEW_WARN:
        return Line("clock", OK, f"within {SKEW_WARN:.0f} s of NetBox's")
    return Line("clock", FAIL if abs(skew) >= SKEW_FAIL else WARN, words, "synchronise both clocks with NTP")


def workers(running: Any) -> Line:
    """Without a worker NetBox sends no webhooks and runs no jobs."""
    if isinstance(running, int) and running > 0:
        return Line("NetBox workers", OK, f"{running} running")
    return Line("NetBox workers", WARN, "none running", "start `netbox rqworker`: event rules do nothing without one")


def rights(register: Register) -> Iterator[Line]:
    """What msp-automation is declared to be allowed, and whether the token could do much more than that."""
    from ansible_collections.msp.ops.plugins.plugin_utils.register import model_rights as declared
    from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import object_type

    needs = declared.needed()
    endpoints = sorted({*needs, USERS})
    with ThreadPoolExecutor(max_workers=4) as pool:
        allowed = dict(zip(endpoints, pool.map(register.allowed, endpoints), strict=True))
    missing = [
        f"{app}.{right}_{kind}"
        for endpoint in sorted(needs)
        for app, _, kind in [object_type(endpoint).partition(".")]
        for right in sorted(needs[endpoint] - allowed[endpoint])
    ]
    if missing:
        action = "give the token's user these permissions, or use the token of msp-automation (playbooks/netbox.yml)"
        yield Line("token", FAIL, f"it lacks {', '.join(missing)}, or is not enabled for writing", action)
    elif "add" in allowed[USERS]:
        action = "for daily runs use the token of msp-automation (playbooks/netbox.yml, netbox_model_token_file)"
        yield Line("token", WARN, "it may do everything needed, and it may also add users", action)
    else:
        yield Line("token", OK, "it may do what the automation needs")


def model(register: Register) -> Line:
    """Is everything of ours in NetBox as this version declares it? Only an administrator sees users and permissions."""
    from ansible_collections.msp.ops.plugins.plugin_utils.register import apply
    from ansible_collections.msp.ops.plugins.plugin_utils.register.model import ADMINISTRATION, SECTION_NAMES

    wanted = [name for name in SECTION_NAMES if name not in ADMINISTRATION]
    try:
        plan = apply.look(register, dt.datetime.now(dt.UTC).date(), wanted)
    except MspError as error:
        return _failed("model", error)
    if plan.refusals:
        return _failed("model", plan.refusals[0])
    sections = sorted({step.section for step in plan.steps})
    if not sections:
        return Line("model", OK, "as this version of msp.ops declares it")
    if sections == ["saved_filters"]:
        words = f"the dates in {len(plan.steps)} saved filter(s) are not today's"
        return Line("model", WARN, words, "run playbooks/netbox.yml daily")
    missing = sum(step.id is None for step in plan.steps)
    words = f"{missing} missing and {len(plan.steps) - missing} differing, in {', '.join(sections)}"
    return Line("model", FAIL, words, "run: ansible-playbook playbooks/netbox.yml")
