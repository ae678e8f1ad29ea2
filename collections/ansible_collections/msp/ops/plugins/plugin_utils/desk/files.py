# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes reports to files: a whole file or none, and never readable by everybody."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

# Readable by the MSP's group, for instance the web server that shows reports; never by everybody.
MODE = 0o640


def holds(path: Path, body: bytes) -> bool:
    """True where the file is there and says the same."""
    try:
        return path.read_bytes() == body
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from error


def write(path: Path, body: bytes) -> None:
    """Write a whole file or none: through a temporary file beside it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(MODE)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> MspError:
    return MspError(
        "MSP-RPT-002",
        f"a folder for reports that can be written, {path.parent}",
        f"{error.strerror or error}",
        "give another folder, or the right to write in this one",
    )
