# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes changed files of repositories, and shows the change without a password that is in an address."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable

from ansible_collections.msp.ops.plugins.module_utils.standards.source_editing import Edit


def write(edits: Iterable[Edit], move: Callable[[str, str], object]) -> None:
    """Each file at once, with the rights and the owner that it has: move is the module's atomic_move."""
    for edit in edits:
        # A link to a file elsewhere: that file is changed, and the link stays one.
        path = os.path.realpath(edit.path)
        number, partial = tempfile.mkstemp(prefix=".msp-", dir=os.path.dirname(path))
        with os.fdopen(number, "w", encoding="utf-8") as handle:
            handle.write(edit.after)
        move(partial, path)


def difference(edit: Edit) -> dict[str, str]:
    return {
        "before_header": edit.path,
        "after_header": edit.path,
        "before": _shown(edit.before),
        "after": _shown(edit.after),
    }


def _shown(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
