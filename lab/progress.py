"""Says what is being done and that it still goes on, for whoever waits. Writes to standard error, decides nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what is being done; after two seconds show that it is still going on; end with how long it took."""
    start = time.monotonic()
    done = threading.Event()
    live = sys.stderr.isatty()

    def tick() -> None:
        interval = 1.0 if live else 15.0
        wait = 2.0
        while not done.wait(wait):
            wait = interval
            elapsed = time.monotonic() - start
            if live:
                print(f"\r  {title} ... {elapsed:.0f} s", end="", file=sys.stderr, flush=True)
            else:
                print(f"  {title} ... {elapsed:.0f} s", file=sys.stderr, flush=True)

    print(f"- {title}", file=sys.stderr, flush=True)
    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        elapsed = time.monotonic() - start
        if elapsed >= 2:
            print(f"{chr(13) if live else ''}  {title}: {elapsed:.1f} s", file=sys.stderr, flush=True)
