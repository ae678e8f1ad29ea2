# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the program that does the work as one file beside its request: this very code, which needs nothing else.

The module that Ansible sent is gone a moment after it answered; the work goes on.
"""

from __future__ import annotations

import os
import sys
import zipfile

NAMESPACE = "ansible_collections.msp.ops.plugins.module_utils."
START = "from %spatching.install import work\nimport sys\nsys.exit(work.main(sys.argv[1:]))\n" % NAMESPACE


def sources() -> dict[str, str]:
    """The source of every module of ours that is loaded, by its path in the program."""
    found = {}
    for name, module in sorted(sys.modules.items()):
        loader = getattr(module, "__loader__", None)
        if not name.startswith(NAMESPACE) or getattr(module, "__path__", None) is not None or loader is None:
            continue
        text = loader.get_source(name)
        if text is None:
            raise OSError("the source of %s is not to be had" % name)
        found[name.replace(".", "/") + ".py"] = text
    return found


def packages(paths: list[str]) -> list[str]:
    """The empty files that make packages of the directories of these paths."""
    found = set()
    for path in paths:
        place = os.path.dirname(path)
        while place:
            found.add(place + "/__init__.py")
            place = os.path.dirname(place)
    return sorted(found - set(paths))


def write(path: str) -> None:
    """The program, for root only."""
    code = sources()
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__main__.py", START)
            for name in packages(list(code)):
                archive.writestr(name, "")
            for name, text in code.items():
                archive.writestr(name, text)
        stream.flush()
        os.fsync(stream.fileno())
