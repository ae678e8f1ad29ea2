# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the files of nginx, Apache and Postfix say of TLS has in common: where a setting stands, and what replaces it.

Pure. What is to be changed is given as msp.ops.files takes it, so that the role only hands it on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

VERSIONS, CIPHERS, OFFERED, SENDING = PARTS = ("versions", "ciphers", "offered", "sending")
# Servers whose files are known; of the others only their ports.
NGINX, APACHE, POSTFIX, OTHERS = SERVICES = ("nginx", "apache", "postfix", "others")
HEAD = "# Written by msp.ops. What is changed here is changed back.\n"


class Setting(NamedTuple):
    """One setting in a file. raw is its text there; context are the blocks around it, the outermost first."""

    path: str
    context: tuple[str, ...]
    name: str
    values: tuple[str, ...]
    raw: str


class Plan(NamedTuple):
    """What puts the files right: replacements and contents as msp.ops.files takes them, and what only a person can."""

    replacements: list[dict[str, Any]]
    contents: dict[str, str]
    left: list[str]

    def as_dict(self) -> dict[str, Any]:
        return {"replacements": self.replacements, "contents": self.contents, "left": self.left}


def replaced(one: Setting, before: str, text: str, after: str = "") -> dict[str, Any]:
    """A replacement of that setting's text, wherever it stands like that in its file. before and after are patterns of
    what is around it on its line and stays; before is one group.
    """
    return {
        "paths": [one.path],
        "regexp": before + re.escape(one.raw) + after,
        "replace": r"\g<1>" + text.replace("\\", "\\\\"),
        "repeat": True,
    }


def unique(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in rows:
        if row not in found:
            found.append(row)
    return found


def added(text: str | None, lines: Iterable[str]) -> str:
    """A file of ours with more lines at its end."""
    return (text or HEAD) + "".join(line + "\n" for line in lines)
