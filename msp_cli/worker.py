"""./msp worker: takes what came in from NetBox and from monitoring, and does what follows from it.

Any number of them may run, here and elsewhere, on one evidence store. One that is ended by SIGTERM or Ctrl-C ends the
work that it is at first; one that is killed leaves it to another, half a minute later.
"""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import results, running_awx
from ansible_collections.msp.ops.plugins.plugin_utils.desk.running import Local, sweep
from ansible_collections.msp.ops.plugins.plugin_utils.desk.working import Told, Worker
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from msp_cli.console import ROOT

HELP = "do what follows from events of NetBox and of monitoring; docs/events.md"
# A look is one read of the evidence store.
LOOK_SECONDS = 0.25
# After an error of the store itself.
AWAY_SECONDS = 10.0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msp worker", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when nothing is due")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many pieces of work at once (default 2)")
    parser.add_argument("--inventory", default="", help="another inventory than that of ansible.cfg")
    parser.add_argument("--reports", default="reports", help="directory for pages that come of it (default: reports)")
    options = parser.parse_args(list(arguments))
    if options.jobs < 1:
        parser.error("--jobs: at least 1")
    told = results.policy()
    with Store.open():  # what is wrong with it is said here, and not by each thread
        pass
    over = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda _sign, _frame: over.set())
    for name in sweep():
        say(f"removed {name}, which a worker left that was killed")
    runner = running_awx.from_environment() or Local(ROOT, options.inventory)

    broken: list[BaseException] = []

    def work() -> None:
        try:
            with Store.open() as store:
                go_on(Worker(store, Register.connect, runner, options.reports, told), over, once=options.once)
        except BaseException as error:
            broken.append(error)
            traceback.print_exception(error)

    threads = [threading.Thread(target=work, name=f"work {number}") for number in range(options.jobs)]
    say(f"{options.jobs} at work; Ctrl-C ends it when the work at hand is done")
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(1.0)  # a signal is heard between two of these
    return 1 if broken else 0


def go_on(worker: Worker, over: threading.Event, *, once: bool, told: Callable[[Told], None] | None = None) -> None:
    """Step after step until somebody says that it is over; with once, until nothing is due."""
    while not over.is_set():
        try:
            step = worker.step() if incoming.waiting(worker.store).oldest else None
        except MspError as error:
            say(str(error))
            if once:
                raise
            over.wait(AWAY_SECONDS)
            continue
        except Exception:
            # A defect of ours, or a machine without room: the event is taken up again when its claim has run out, and
            # goes to a person when that has happened too often. Others wait for their work.
            say(traceback.format_exc())
            if once:
                raise
            over.wait(AWAY_SECONDS)
            continue
        if step is not None:
            (told or _tell)(step)
        elif once:
            return
        else:
            over.wait(LOOK_SECONDS)


def _tell(step: Told) -> None:
    more = f" ({step.events} events)" if step.events > 1 else ""
    say(f"{step.subject}{more}: {step.outcome}{'. ' + step.why if step.why else ''}")


def say(text: str) -> None:
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC  {text}", file=sys.stderr, flush=True)
