# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that a package manager left beside configuration files that somebody had edited. It reads directories only."""

from __future__ import annotations

import os


def found(top: str, since: float, ends: tuple[str, ...]) -> list[str]:
    """Files below a directory with one of these endings that were put there since a moment."""
    paths = []
    for place, _directories, names in os.walk(top):
        for name in names:
            path = os.path.join(place, name)
            if name.endswith(ends) and _changed(path) >= since:
                paths.append(path)
    return sorted(paths)


def without(paths: list[str], ends: tuple[str, ...]) -> set[str]:
    """The files that they lie beside."""
    return {path[: -len(end)] for path in paths for end in ends if path.endswith(end)}


def _changed(path: str) -> float:
    # The time of the inode: a package manager gives a file the time that it has in the package.
    try:
        return os.lstat(path).st_ctime
    except OSError:
        return 0.0
