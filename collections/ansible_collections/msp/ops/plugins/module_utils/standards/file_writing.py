# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes small text files, changes lines and sets rights, many in one go, as copy, replace and file do one at a time.

Ansible's own module object does the last step of each: it moves a file into place, and knows modes and owners. A path
is taken as it is: no variable in it is looked up, for it may be a name that somebody chose on the host.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class NotValid(Exception):
    """A new text that its own program does not take."""


# A replacement that changes its own result is one that never ends.
_MOST_TIMES = 1000


class Replacement(NamedTuple):
    """What takes the place of each match of a regular expression (Python's, by lines), in what follows another's.

    repeat: again, until nothing more matches or changes.
    """

    regexp: str
    replace: str
    after: str | None = None
    repeat: bool = False

    def of(self, text: str) -> str:
        """The text with it. Where there is nothing to follow, it stays as it is."""
        start = 0
        if self.after is not None:
            found = re.search(self.after, text)
            if found is None:
                return text
            start = found.end()
        head, rest = text[:start], text[start:]
        for _time in range(_MOST_TIMES):
            before, rest = rest, re.sub(self.regexp, self.replace, rest, flags=re.MULTILINE)
            if not self.repeat or rest == before:
                return head + rest
        raise NotValid("the replacement of %s never ends" % self.regexp)


def by_path(asked: Iterable[Mapping[str, Any]]) -> dict[str, list[Replacement]]:
    """What is replaced in each file, in this order, from the module's option replacements."""
    found: dict[str, list[Replacement]] = {}
    for one in asked:
        for path in one["paths"]:
            found.setdefault(path, []).append(
                Replacement(one["regexp"], one["replace"], one.get("after"), bool(one.get("repeat")))
            )
    return found


class FileWriting:
    """All files of one run. module is Ansible's, with its check mode; what changed, or would, is kept to be shown.

    validate is a command with %s for a new file, which only takes its place when that ends well.
    """

    def __init__(
        self, module: Any, validate: str | None = None, backups: str | None = None, *, only_lines: bool = False
    ) -> None:
        """backups is the directory for copies of what is rewritten; None: beside each file.

        only_lines: of a file that is rewritten nothing is shown but the lines that change.
        """
        self.module = module
        self.validate = validate
        self.backups = backups
        self.only_lines = only_lines
        # What was there before, by path, in the order of the changes; None where nothing was.
        self._before: dict[str, str | None] = {}
        self.changed: list[str] = []
        self.differences: list[dict[str, Any]] = []

    def make(self, path: str, rights: Mapping[str, Any]) -> None:
        """A directory; one that is there, or that a link leads to, only gets the rights."""
        if os.path.isdir(path):
            self.shield(path, rights)
            return
        self._note(path, before={"state": "absent"}, after={"state": "directory"})
        if not self.module.check_mode:
            os.mkdir(path, 0o700)
            self._set(path, rights, {})

    def write(self, path: str, text: str, rights: Mapping[str, Any]) -> None:
        """A file with this text. A link in its place makes room for it."""
        before = _text(path)
        if before == text:
            self.shield(path, rights)
            return
        self._note(path, before=before or "", after=text)
        if self._placed(path, text):
            self._set(path, rights, {})

    def rewrite(self, path: str, changes: Iterable[Replacement], *, backup: bool = False) -> None:
        """A file that is there, with these changes; its rights stay. Of a link, what it leads to is changed."""
        path = os.path.realpath(path)
        before = after = _read(path)
        for change in changes:
            after = change.of(after)
        if after == before:
            return
        shown = _differing(before, after) if self.only_lines else (before, after)
        self._note(path, before=shown[0], after=shown[1])
        self._placed(path, after, backup=backup)

    def shield(self, path: str, rights: Mapping[str, Any]) -> None:
        """The rights of what is there; of a link nothing, for it may lead to somebody else's file."""
        shown: dict[str, Any] = {}
        if not os.path.islink(path) and self._set(path, rights, shown):
            self._note(path, **shown)

    def _placed(self, path: str, text: str, *, backup: bool = False) -> bool:
        """Whether the text stands there. A check has it validated too, in a directory where nothing reads it."""
        check = self.module.check_mode
        if check and not self._validates():
            return False
        partial = _beside(None if check else path, text)
        self._validate(path, partial)
        if check:
            os.unlink(partial)
            return False
        if backup:
            self._back_up(path)
        self._before.setdefault(path, _text(path))
        self.module.atomic_move(partial, path)
        return True

    def _back_up(self, path: str) -> None:
        if self.backups is None:
            self.module.backup_local(path)
            return
        os.makedirs(self.backups, mode=0o700, exist_ok=True)
        name = "%s.%s.%d~" % (path.strip("/").replace("/", "%"), time.strftime("%Y-%m-%dT%H%M%S"), os.getpid())
        shutil.copy2(path, os.path.join(self.backups, name))

    def prove(self, commands: Iterable[Sequence[str]]) -> None:
        """Run these one after another, where a text was changed. Where one fails, every text is put back, and they are
        run again, so that what they tell knows of it; NotValid then says what failed. Rights that were set stay.
        """
        if not self._before:
            return
        steps = [list(command) for command in commands]
        failed = self._ran(steps)
        if failed is None:
            return
        for path, text in self._before.items():
            if text is None:
                os.unlink(path)
            else:
                self.module.atomic_move(_beside(path, text), path)
        paths = ", ".join(self._before)
        self._before = {}
        again = self._ran(steps)
        after = "" if again is None else "; after that: %s" % again
        raise NotValid("%s; what was there before was put back (%s)%s" % (failed, paths, after))

    def _ran(self, commands: Iterable[Sequence[str]]) -> str | None:
        """What the first that fails says; None where all end well."""
        for command in commands:
            status, out, err = self.module.run_command(list(command))
            if status != 0:
                return "%s ended with status %d: %s" % (" ".join(command), status, (err or out).strip()[-500:])
        return None

    def _validates(self) -> bool:
        """Whether there is a validation, and its program: before a first run that may be yet to be installed."""
        return self.validate is not None and self.module.get_bin_path(shlex.split(self.validate)[0]) is not None

    def _validate(self, path: str, partial: str) -> None:
        if self.validate is None:
            return
        status, out, err = self.module.run_command(self.validate % partial)
        if status != 0:
            os.unlink(partial)
            raise NotValid("%s is left as it is, for its new text is not valid: %s" % (path, (err or out).strip()))

    def _note(self, path: str, before: Any, after: Any) -> None:
        self.changed.append(path)
        self.differences.append({"before_header": path, "after_header": path, "before": before, "after": after})

    def _set(self, path: str, rights: Mapping[str, Any], shown: dict[str, Any]) -> bool:
        arguments = {**self.module.load_file_common_arguments(rights, path=path), "path": path}
        return bool(self.module.set_fs_attributes_if_different(arguments, False, diff=shown, expand=False))


def _differing(before: str, after: str) -> tuple[str, str]:
    """The lines that are only in the one, and only in the other."""
    rows = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    sides = [[row[2:] for row in rows if row.startswith(sign)] for sign in ("- ", "+ ")]
    return "".join(sides[0]), "".join(sides[1])


def _text(path: str) -> str | None:
    """What is in a file; None where there is none, or a link."""
    if os.path.islink(path) or not os.path.exists(path):
        return None
    return _read(path)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as handle:
        return handle.read()


def _beside(path: str | None, text: str) -> str:
    """A new file in the same directory, so that it takes the place of the other in one step; only root's at first.

    None: where temporary files are.
    """
    number, partial = tempfile.mkstemp(prefix=".msp-", dir=None if path is None else os.path.dirname(path))
    with os.fdopen(number, "w", encoding="utf-8", errors="surrogateescape", newline="") as handle:
        handle.write(text)
    return partial
