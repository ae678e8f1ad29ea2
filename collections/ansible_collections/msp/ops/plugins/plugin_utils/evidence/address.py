# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the store is, as far as a URL says it. Pure, and free of SQLAlchemy, whose import costs a run half a second."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability

SQLITE_SCHEMES = ("sqlite", "sqlite+pysqlite")


def default_url(environment: Mapping[str, str] | None = None) -> str:
    """MSP_STORE_URL, else the SQLite file in the user's state directory."""
    found = os.environ if environment is None else environment
    if url := found.get("MSP_STORE_URL", "").strip():
        return url
    return f"sqlite:///{durability.state_directory(found) / 'evidence.db'}"


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite store: sqlite:////absolute or sqlite:///relative. None for anything else."""
    scheme, separator, rest = url.strip().partition(":///")
    if not separator or scheme not in SQLITE_SCHEMES or not rest:
        return None
    return Path(unquote(rest.partition("?")[0]))
