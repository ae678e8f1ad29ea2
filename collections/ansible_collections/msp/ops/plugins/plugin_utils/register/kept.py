# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory's cache: one JSON file a token and selection, mode 0600, replaced as a whole. It never holds a token.

It is read with json alone, so what comes out is plain data. A file that is not exactly as written by this user and
this version counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.changes import Cursor
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Contexts, Machine, Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import OUR_FIELDS, Reading, Selection

# Part of every file: raise it when what is kept, or what it means, changes.
FORMAT = 1
# Seconds.
UNUSED = 7 * 24 * 3600


class Kept:
    """The file of one NetBox, token and selection: what one token may see is not served to another."""

    def __init__(self, directory: Path, register: Register, selection: Selection, prefix: str = "") -> None:
        netbox = [register.status.get(name) for name in ("netbox-version", "netbox-full-version", "plugins")]
        self._version = json.dumps([FORMAT, OUR_FIELDS, netbox], sort_keys=True, default=str)
        what = [register.url, register.reader, selection.tenants, selection.filters, selection.custom_fields]
        name = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:32]
        self.path = directory / f"{prefix}netbox-{name}.json"

    def load(self, max_age: float) -> tuple[Snapshot, Cursor, float] | None:
        """What was kept, where the change log stood, and when everything was read; None when it does not serve."""
        try:
            body = json.loads(self._read())
            read_at = float(body["read_at"])
            if body["version"] != self._version or not 0 <= time.time() - read_at <= max_age:
                return None
            return _snapshot(body["snapshot"]), _cursor(body["cursor"]), read_at
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, reading: Reading, read_at: float) -> None:
        """Replace the file, and remove what was left by selections nobody uses any more."""
        snapshot = reading.snapshot
        body = {
            "version": self._version,
            "read_at": read_at,
            "cursor": {**asdict(reading.cursor), "seen": sorted(reading.cursor.seen)},
            "snapshot": {
                "machines": list(snapshot.machines.values()),
                "slugs": snapshot.slugs,
                "contexts": vars(snapshot.contexts),
                "optional": snapshot.optional,
            },
        }
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=".netbox-", dir=self.path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(body, separators=(",", ":")))
            Path(draft).replace(self.path)
            self._prune()
        except BaseException:
            with contextlib.suppress(OSError):
                Path(draft).unlink()
            raise

    def _prune(self) -> None:
        """Files of customers and filters that were not read for a week: a cache is no archive of customers' data."""
        for file in self.path.parent.glob("*netbox-*.json"):
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime > UNUSED:
                    file.unlink()

    def _read(self) -> str:
        """The file's text, if it is ours alone: what another user could write would become our inventory."""
        handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise OSError("not a file of mode 0600 of this user")
            return file.read()


def _snapshot(body: Mapping[str, Any]) -> Snapshot:
    snapshot = Snapshot(
        slugs={table: {int(id): slug for id, slug in rows.items()} for table, rows in body["slugs"].items()},
        contexts=Contexts(**body["contexts"]),
        optional=tuple(body["optional"]),
    )
    snapshot.add(Machine(*row) for row in body["machines"])
    return snapshot


def _cursor(body: Mapping[str, Any]) -> Cursor:
    return Cursor(int(body["id"]), str(body["time"]), str(body["request"]), frozenset(body["seen"]))
