# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a snapshot comes from: NetBox alone, or NetBox's changes on top of what was kept. Never the cache alone.

Every path asks NetBox, so a NetBox that does not answer is an error whatever is kept.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.options import check_fields
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import ENDPOINTS
from ansible_collections.msp.ops.plugins.plugin_utils.register.kept import Kept
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection, read, refresh


@dataclass(frozen=True)
class Loaded:
    """A snapshot and how it came about, for the log. not_kept: why it could not be kept, if it should have been."""

    snapshot: Snapshot
    how: str
    not_kept: str = ""


def connect(
    url: str | None, token: str | None, token_file: str | None, *, timeout: float, verify: bool | str
) -> Register:
    """Open NetBox with a token from the option, the file or the environment."""
    if not token and token_file:
        token = _token_in(Path(token_file).expanduser())
    return Register.connect(url, token, timeout=timeout, verify=verify)


def load(
    register: Register, selection: Selection, *, directory: Path | None, prefix: str, max_age: float, use_kept: bool
) -> Loaded:
    """The present snapshot. directory None: nothing is kept. use_kept False: what is kept is replaced, not used."""
    if selection.custom_fields:
        known = {name for endpoint in ENDPOINTS.values() for name in register.custom_fields(endpoint)}
        check_fields(selection.custom_fields, known)
    if directory is None:
        return Loaded(read(register, selection, follow=False).snapshot, "read everything, no cache")
    file = Kept(directory.expanduser(), register, selection, prefix)
    kept = file.load(max_age) if use_kept else None
    began = started = time.time()
    if kept is None:
        reading = read(register, selection, "nothing kept that serves" if use_kept else "asked not to use the cache")
    else:
        snapshot, cursor, began = kept
        reading = refresh(register, selection, snapshot, cursor)
        if reading.reason:
            began = started
    not_kept = ""
    if reading.changed:
        try:
            file.save(reading, began)
        except OSError as error:
            not_kept = str(error)
    how = f"read everything: {reading.reason}" if reading.reason else "read what changed"
    return Loaded(reading.snapshot, how, not_kept)


def _token_in(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise MspError(
                "MSP-INV-003",
                f"a token file that only its owner may read: {path}",
                f"mode {mode:04o}",
                f"chmod 600 {path}, and make a new token if others could have read it",
            )
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise MspError(
            "MSP-INV-003",
            f"a token file {path}",
            os.strerror(error.errno or 0),
            "correct token_file, or set NETBOX_TOKEN",
        ) from None
