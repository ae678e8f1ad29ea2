"""./msp rollouts CUSTOMER: how far a customer's patch rollouts are, once or followed until they are over. Reads only.

It shows what playbooks/patch_status.yml shows, without Ansible: also while a schedule elsewhere works on them.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.patching.watching import Watched

HELP = "how far a customer's patch rollouts are; --follow shows them live"
# NetBox and the evidence store are asked anew so often; times on the screen run on every second.
SECONDS = 15.0


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
    parser.add_argument("--follow", action="store_true", help="go on until no rollout is open, or until interrupted")
    parser.add_argument("--language", choices=("en", "nl"), default="en")
    parser.add_argument("--json", action="store_true", help="the same for a program, once")
    try:
        options = parser.parse_args(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    with _looking(options.customer, options.language) as look:
        seen = look()
        if options.json:
            print(json.dumps(list(seen.rollouts), indent=2, ensure_ascii=False))
        elif not options.follow:
            _show(seen)
        elif sys.stdout.isatty():
            _draw(seen, look)
        else:
            _tell(seen, look)
    return 0


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
