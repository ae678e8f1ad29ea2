"""What looks for secrets finds one that was leaked on purpose, in each place where a run could leave it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import secrets
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import openpyxl
import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.codec import Facts
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from tests.secret_search import Canaries, Place, Watcher, lines, places_below

SECRET = f"Ab1/'&{secrets.token_hex(8)}=é"
KNOWN = {"a secret": SECRET}
WORD = secrets.token_hex(12)
WORDS = {"a secret": WORD}


def workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["C3"] = f"see {SECRET}"  # type: ignore[index]
    book.save(path)


def packed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", SECRET)


LEAKS: dict[str, Callable[[Path], object]] = {
    "in a log": lambda path: path.write_text(f"12:00 token={SECRET} ok\n"),
    "as JSON": lambda path: path.write_text(json.dumps({"it": SECRET})),
    "in a page": lambda path: path.write_text("<td>" + SECRET.replace("&", "&amp;").replace("'", "&#x27;") + "</td>"),
    "in a URL": lambda path: path.write_text(f"postgresql://u:{quote(SECRET, safe='')}@h/d"),
    "as Python shows it": lambda path: path.write_text(repr({"it": SECRET + "\n"})),
    "in base64": lambda path: path.write_bytes(base64.b64encode(b"ab" + SECRET.encode() + b"c")),
    "in hexadecimal": lambda path: path.write_text(SECRET.encode().hex()),
    "in gzip": lambda path: path.write_bytes(gzip.compress(SECRET.encode())),
    "in zlib": lambda path: path.write_bytes(zlib.compress(SECRET.encode() * 3)),
    "in an archive": packed,
    "in a workbook": workbook,
    "as a file's name": lambda path: path.with_name(quote(SECRET, safe="")).write_text(""),
    "where a link leads": lambda path: path.symlink_to(f"/nowhere/{SECRET}"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_it_is_found(leak: str, tmp_path: Path) -> None:
    LEAKS[leak](tmp_path / "file")

    assert [place.what for place in places_below(tmp_path, KNOWN)] == ["a secret"]


def test_it_is_found_in_the_evidence_store_also_where_that_packs(tmp_path: Path, sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store:
        store.record([Facts({"os": {"name": "Debian"}, "packages": [{"name": SECRET, "version": "1"}]})])
    folder = Path(sqlite_url.removeprefix("sqlite:///")).parent

    assert "a secret" in {place.what for place in places_below(folder, KNOWN)}


def test_nothing_is_found_where_nothing_is_and_not_at_home(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(SECRET)
    (tmp_path / "log").write_text(SECRET[:-1])

    assert places_below(tmp_path, KNOWN, homes=[tmp_path / "home"]) == []
    assert places_below(tmp_path, KNOWN) == [Place(str(tmp_path / "home" / "token"), "a secret")]


def test_a_key_is_found_by_any_line_of_its_own(tmp_path: Path) -> None:
    body = [base64.b64encode(secrets.token_bytes(48)).decode() for _ in range(3)]
    key = "\n".join(["-----BEGIN KEY-----", *body, "-----END KEY-----"])
    (tmp_path / "log").write_text(f"-----BEGIN KEY-----\n{body[1]}\n")

    found = places_below(tmp_path, lines("the key", key))

    assert found == [Place(str(tmp_path / "log"), "the key, line 2")]


def test_what_would_be_found_by_chance_is_no_canary() -> None:
    with pytest.raises(ValueError, match="by chance"):
        Canaries({"short": "abc"})
    with pytest.raises(ValueError, match="without a canary"):
        Canaries({})


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")  # noqa: PTH112
@pytest.mark.parametrize("how", ["an argument", "of a shell", "after an exec", "of a child of a child"])
def test_it_is_found_on_a_command_line(how: str) -> None:
    wait = "import sys; sys.stdin.read()"
    program = {
        "an argument": [sys.executable, "-c", wait, WORD],
        "of a shell": ["sh", "-c", f"cat >/dev/null; : --password={WORD}"],
        "after an exec": ["sh", "-c", f'exec {sys.executable} -c "{wait}" "$0"', WORD],
        "of a child of a child": ["sh", "-c", 'sh -c "cat; : $0" "$0"', WORD],
    }[how]

    with Watcher(WORDS) as watcher:
        process = subprocess.Popen(program, stdin=subprocess.PIPE)
        deadline = time.monotonic() + 60
        before = watcher.looks
        while watcher.looks < before + 20:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.communicate(b"")

    assert {place.what for place in watcher.found} == {"a secret"}


def test_one_that_lives_as_long_as_a_small_program_is_seen() -> None:
    with Watcher(WORDS) as watcher:
        for _ in range(20):
            subprocess.run([sys.executable, "-S", "-c", "pass", WORD], check=True)

    assert watcher.found


def test_nothing_is_on_a_command_line_that_is_only_in_the_environment_or_on_standard_input() -> None:
    with Watcher(WORDS) as watcher:
        before = watcher.looks
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env={"WORD": WORD})
        while watcher.looks < before + 5:
            time.sleep(0.01)
        process.communicate(WORD.encode())

    assert watcher.found == []
    assert "cat" in watcher.seen
