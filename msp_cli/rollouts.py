"""./msp rollouts CUSTOMER: how far a customer's patch rollouts are, once or followed until they are over; and, with
approve, pause, resume or abort, what a person asks of one.

It shows what playbooks/patch_status.yml shows, without Ansible: also while a schedule elsewhere works on them. To ask
something it needs the evidence store alone: neither NetBox nor an inventory, which may be what is down at night. Where
NetBox does not answer, it ends in an error, and shows what the store knows: which rollouts there are, and how far.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from msp_cli.console import as_json

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.patching.watching import Watched

HELP = "how far a customer's patch rollouts are; --follow shows them live; approve, pause, resume or abort one"
# NetBox and the evidence store are asked anew so often; times on the screen run on every second.
SECONDS = 15.0
# The errors of which the store knows nothing.
OF_NETBOX = "MSP-REG-"
ACTIONS = ("approve", "pause", "resume", "abort")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in one look: for the view, as lines, and as plain data."""

    watched: Watched
    lines: tuple[str, ...]
    rollouts: tuple[dict[str, Any], ...]

    @property
    def stuck(self) -> list[str]:
        """The rollouts that can't be gone on with: a plan or a manifest is gone."""
        return [one["rollout"] for one in self.rollouts if "rings" not in one]

    @property
    def stands(self) -> list[tuple[Any, ...]]:
        """What a person would call news: time alone is none."""
        return [(one["rollout"], one.get("number"), one.get("next"), one["why"]) for one in self.rollouts]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msp rollouts", description=HELP)
    parser.add_argument("customer", help="slug of the customer's tenant")
    parser.add_argument("action", nargs="?", choices=ACTIONS, help="what you ask of a rollout; without it, see them")
    asks = parser.add_argument_group("to ask something (needs the evidence store alone)")
    asks.add_argument("--by", metavar="NAME", help="who asks it")
    asks.add_argument("--reason", metavar="WHY", help="why; both are recorded, and shown in NetBox")
    asks.add_argument("--rollout", metavar="ID", help="of which rollout, where several are open")
    asks.add_argument("--manifest", metavar="HASH", help="what an approval approves")
    parser.add_argument("--follow", action="store_true", help="go on until no rollout is open, or until interrupted")
    parser.add_argument("--language", choices=("en", "nl"), default="en")
    parser.add_argument("--json", action="store_true", help="the same for a program, once")
    try:
        options = parser.parse_args(list(arguments))
        _fitting(parser, options)
    except SystemExit as end:
        return int(end.code or 0)
    if options.action:
        return _ask(options)
    try:
        with _looking(options.customer, options.language) as look:
            seen = look()
            if options.json:
                print(as_json(list(seen.rollouts)))
            elif not options.follow:
                _show(seen)
            elif sys.stdout.isatty():
                _draw(seen, look)
            else:
                _tell(seen, look)
    except MspError as error:
        if error.code.startswith(OF_NETBOX) and not options.json:
            print("\n".join(_known(options.customer, options.language)), flush=True)
        raise
    return 0


def _fitting(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exits, and says why, where options do not go together."""
    asks = {
        "--by": options.by,
        "--reason": options.reason,
        "--rollout": options.rollout,
        "--manifest": options.manifest,
    }
    if options.action is None:
        if given := [name for name, value in asks.items() if value is not None]:
            parser.error(f"{', '.join(given)}: say also what you ask, one of {', '.join(ACTIONS)}")
        return
    needed = ["--by", "--reason", *(["--manifest"] if options.action == "approve" else [])]
    if missing := [name for name in needed if not asks[name]]:
        parser.error(f"to {options.action} a rollout, say {', '.join(missing)}")
    if options.manifest is not None and options.action != "approve":
        parser.error("--manifest is what an approval approves")
    if options.follow:
        parser.error("--follow is to look")


def _ask(options: argparse.Namespace) -> int:
    """Record what a person asks; the run that is at work, or the next one, heeds it."""
    from ansible_collections.msp.ops.plugins.plugin_utils.desk import steering
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
    from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress_lines import one_line

    arguments = {
        "customer": options.customer,
        "action": options.action,
        "rollout": options.rollout or "",
        "by": options.by,
        "reason": options.reason,
        "manifest": options.manifest or "",
    }
    with Store.open() as store:
        said = steering.asked(store, arguments, check=False)
    if options.json:
        print(as_json(said["rollouts"]))
        return 0
    print("\n".join(one_line(line) for line in said["summary"]))
    print("It counts from now on. The next run of playbooks/patch.yml or playbooks/patch_scan.yml shows it in NetBox.")
    return 0


def _known(customer: str, language: str) -> list[str]:
    """What the evidence store knows of the open rollouts, with ids and manifests, where NetBox does not answer."""
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
    from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, progress
    from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress_lines import one_line
    from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import fold
    from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words

    with Store.open() as store:
        found = [fold(one.id, events.of(one)) for one in store.rollouts(customer, open_only=True)]
        said = [one_line(line) for one in found for line in progress.history_lines(one, store.now(), language)]
    return said or [Words(language)("prep.empty.rollouts")]


@contextlib.contextmanager
def _looking(customer: str, language: str) -> Iterator[Callable[[], Seen]]:
    """Store and NetBox, open for as many looks as are wanted."""
    from ansible_collections.msp.ops.plugins.plugin_utils.desk import steering
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
    from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress_lines import one_line
    from ansible_collections.msp.ops.plugins.plugin_utils.patching.watching import Watched
    from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
    from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words

    with Store.open() as store, Register.connect(timeout=30.0) as register:

        def look() -> Seen:
            said = steering.status(store, register, customer, language)
            lines = said["summary"] or [Words(language)("prep.empty.rollouts")]
            watched = Watched().heard({**said, "language": language})
            return Seen(watched, tuple(one_line(line) for line in lines), tuple(said["rollouts"]))

        yield look


def _show(seen: Seen) -> None:
    if sys.stdout.isatty() and seen.rollouts:
        from rich.console import Console

        Console().print(_view(seen))
    else:
        print("\n".join(seen.lines))


def _view(seen: Seen) -> Any:
    """The rollouts as the live view draws them; one that can't be gone on with has no rings to draw, and is a line."""
    from rich.console import Group
    from rich.text import Text

    from ansible_collections.msp.ops.plugins.plugin_utils.patching import live_view

    stuck = [Text(line) for line in seen.lines if line.startswith(tuple(f"{one}: " for one in seen.stuck))]
    return Group(live_view.view(seen.watched, dt.datetime.now(dt.UTC)), *stuck)


def _draw(seen: Seen, look: Callable[[], Seen]) -> None:
    """In the terminal, drawn anew every second, until no rollout is open; how the last ones stood stays."""
    from rich.live import Live

    newest = seen
    with Live(get_renderable=lambda: _view(seen), refresh_per_second=1):
        while newest.rollouts:
            time.sleep(SECONDS)
            newest = look()
            seen = newest if newest.rollouts else seen
    print("\n".join(newest.lines))


def _tell(seen: Seen, look: Callable[[], Seen]) -> None:
    """In lines, whenever something is news."""
    print("\n".join(seen.lines), flush=True)
    while seen.rollouts:
        time.sleep(SECONDS)
        newest = look()
        if newest.stands != seen.stands:
            print("\n".join(newest.lines), flush=True)
        seen = newest
