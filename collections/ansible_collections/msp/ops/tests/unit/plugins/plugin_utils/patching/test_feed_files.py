# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Feeds from files and addresses: checked before anything counts, read once, and an error when they are none."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import hashlib
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import feed_files, feeds
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import Feeds

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
HOLE = "CVE-2026-0001"
KEV = {"dateReleased": "2026-11-25T00:00:00Z", "count": 1, "vulnerabilities": [{"cveID": HOLE}]}
DEBIAN = {"openssl": {HOLE: {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.17-1"}}}}}
OSV = {
    "id": "DSA-5999-1",
    "modified": "2026-11-25T00:00:00Z",
    "severity": [{"type": "CVSS_V3", "score": "9.8"}],
    "affected": [
        {"package": {"ecosystem": "Debian:12", "name": "openssl"}, "ranges": [{"events": [{"fixed": "3.0.17-1"}]}]}
    ],
}
EPSS = f"#score_date:2026-11-25T00:00:00Z\ncve,epss,percentile\n{HOLE},0.94,0.99\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "msp.ops" / "feeds"


def written(place: Path, name: str, value: object) -> Path:
    path = place / name
    data = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    path.write_bytes(data)
    return path


def select(*options: dict[str, Any], names: tuple[str, ...] = (HOLE,)) -> Feeds:
    return feed_files.select(feed_files.sources(options), NOW, names, [("debian-12", "openssl")])


def refused(*options: dict[str, Any]) -> MspError:
    with pytest.raises(MspError) as caught:
        feed_files.check(feed_files.sources(options), NOW)
    return caught.value


def test_all_kinds_are_read_and_only_what_is_asked_for_is_taken(tmp_path: Path) -> None:
    other = {**KEV, "count": 2, "vulnerabilities": [{"cveID": HOLE}, {"cveID": "CVE-2020-0001"}]}
    found = select(
        {"kind": "kev", "path": str(written(tmp_path, "kev.json", other))},
        {"kind": "osv", "path": str(written(tmp_path, "osv.json", OSV))},
        {"kind": "debian", "path": str(written(tmp_path, "debian.json", DEBIAN)), "date": "2026-11-25"},
        {"kind": "epss", "path": str(written(tmp_path, "epss.csv.gz", gzip.compress(EPSS.encode())))},
        names=(),
    )

    # No name was asked for: the hole is one that the package's fix closes, and its advisory is rated.
    assert dict(found.exploited) == {HOLE: "CISA KEV 2026-11-25"}
    assert dict(found.likely) == {HOLE: 0.94}
    assert [claim.cvss for claim in found.claims["DSA-5999-1"]] == [9.8]
    assert {fix.advisory for fix in found.fixes["debian-12", "openssl"]} == {"", "DSA-5999-1"}
    assert found.warnings == ()


def test_an_archive_of_osv_is_read_member_by_member(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("DSA-5999-1.json", json.dumps(OSV))
        archive.writestr("DSA-6000-1.json", json.dumps({**OSV, "id": "DSA-6000-1"}))
        archive.writestr("README", "not json")

    found = select({"kind": "osv", "path": str(written(tmp_path, "all.zip", packed.getvalue()))})

    assert set(found.claims) == {"DSA-5999-1", "DSA-6000-1"}


def test_an_old_feed_warns_and_what_it_says_counts(tmp_path: Path) -> None:
    old = {**KEV, "dateReleased": "2026-11-01T00:00:00Z"}
    found = select({"kind": "kev", "path": str(written(tmp_path, "kev.json", old))})

    assert found.warnings == ("CISA KEV of 2026-11-01 is 25 days old (3 allowed): what became known since is missing",)
    assert HOLE in found.exploited


def test_that_nothing_is_known_to_be_exploited_is_said() -> None:
    assert select().warnings == (
        "no feed of what is known to be exploited is given: no update can be an emergency by it",
    )


def test_a_feed_is_read_once_and_again_when_it_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "kev.json", KEV)
    reads = []
    real = feed_files.read
    monkeypatch.setattr(feed_files, "read", lambda *words: reads.append(1) or real(*words))  # type: ignore[func-returns-value]

    select({"kind": "kev", "path": str(path)})
    select({"kind": "kev", "path": str(path)})
    assert len(reads) == 1

    written(tmp_path, "kev.json", {**KEV, "count": 2, "vulnerabilities": [{"cveID": HOLE}, {"cveID": "CVE-2026-0002"}]})
    assert set(select({"kind": "kev", "path": str(path)}, names=("CVE-2026-0002",)).exploited) == {"CVE-2026-0002"}
    assert len(reads) == 2


def test_what_became_of_an_older_version_is_not_kept(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path, "kev.json", KEV)
    select({"kind": "kev", "path": str(path)})
    os.utime(path, (1, 1))
    select({"kind": "kev", "path": str(path)})

    assert len(list(cache.glob("*.sqlite"))) == 1
    assert cache.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("{}", "MSP-PAT-033"),
        ('{"vulnerabilities": [', "MSP-PAT-033"),
        (b"\xff\xfe", "MSP-PAT-033"),
        (gzip.compress(json.dumps(KEV).encode(), mtime=0)[:-9], "MSP-PAT-033"),
        (b"\x1f\x8bnot gzip", "MSP-PAT-033"),
        (b"PK not a zip", "MSP-PAT-033"),
        ({**KEV, "count": 0, "vulnerabilities": []}, "MSP-PAT-034"),
        ({**KEV, "dateReleased": None}, "MSP-PAT-035"),
        ({**KEV, "dateReleased": "2027-01-01T00:00:00Z"}, "MSP-PAT-035"),
    ],
)
def test_a_feed_that_is_none_is_an_error_and_leaves_no_index(
    tmp_path: Path, cache: Path, value: object, code: str
) -> None:
    error = refused({"kind": "kev", "path": str(written(tmp_path, "kev.json", value))})

    assert error.code == code
    assert "kev.json (CISA KEV)" in error.expected
    assert not list(cache.glob("*.sqlite"))


def test_a_feed_that_became_broken_is_not_replaced_by_what_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, "kev.json", KEV)
    select({"kind": "kev", "path": str(path)})
    written(tmp_path, "kev.json", "<html>")

    assert refused({"kind": "kev", "path": str(path)}).code == "MSP-PAT-033"


def test_a_feed_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert refused({"kind": "kev", "path": str(tmp_path / "none.json")}).code == "MSP-PAT-031"
    assert refused({"kind": "kev", "path": str(tmp_path)}).code == "MSP-PAT-031"


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(written(tmp_path, "file", "")))

    assert refused({"kind": "kev", "path": str(written(tmp_path, "kev.json", KEV))}).code == "MSP-PAT-031"


def test_a_file_has_the_checksum_that_is_given(tmp_path: Path) -> None:
    path = written(tmp_path, "kev.json", KEV)
    right = hashlib.sha256(path.read_bytes()).hexdigest()

    assert HOLE in select({"kind": "kev", "path": str(path), "sha256": right.upper()}).exploited
    assert refused({"kind": "kev", "path": str(path), "sha256": "0" * 64}).code == "MSP-PAT-032"


@contextlib.contextmanager
def served(place: Path) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:  # noqa: ARG002 - its own signature
            asked.append(self.path)

        def log_message(self, *_words: object) -> None:
            """Nothing of it is printed."""

    server = HTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(place)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_address_is_fetched_once_and_held_against_its_checksum(tmp_path: Path) -> None:
    right = hashlib.sha256(written(tmp_path, "kev.json", KEV).read_bytes()).hexdigest()
    with served(tmp_path) as (url, asked):
        option = {"kind": "kev", "url": f"{url}/kev.json", "sha256": right}
        assert HOLE in select(option).exploited
        assert HOLE in select(option).exploited
        assert asked == ["/kev.json"]
        assert refused({**option, "sha256": "0" * 64}).code == "MSP-PAT-032"
        assert refused({**option, "url": f"{url}/none.json", "sha256": "1" * 64}).code == "MSP-PAT-031"


def test_a_password_in_an_address_is_not_told() -> None:
    with served(Path("/nonexistent")) as (url, _asked):
        option = {"kind": "kev", "url": url.replace("//", "//user:secret@") + "/x", "sha256": "0" * 64}
        assert "secret" not in str(refused(option))


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ({"kind": "cpe", "path": "x"}, "the kind 'cpe'"),
        ({"path": "x"}, "the kind None"),
        ({"kind": "kev"}, "neither a path nor a url"),
        ({"kind": "kev", "path": "x", "url": "https://a.example.com"}, "both a path and a url"),
        ({"kind": "kev", "url": "https://a.example.com"}, "a url without its sha256"),
        ({"kind": "kev", "path": "x", "sha256": "abc"}, "the sha256 'abc'"),
        ({"kind": "kev", "url": "file:///etc/passwd", "sha256": "0" * 64}, "a url that is neither http nor https"),
        ({"kind": "kev", "path": "x", "date": "yesterday"}, "the date 'yesterday'"),
        ({"kind": "kev", "path": "x", "max_age": -1}, "the max_age -1"),
        ({"kind": "kev", "path": "x", "age": 1}, "the unknown key age"),
    ],
)
def test_a_feed_that_cannot_be_meant_is_refused(option: dict[str, Any], found: str) -> None:
    with pytest.raises(MspError) as caught:
        feed_files.sources([option])

    assert (caught.value.code, caught.value.found) == ("MSP-PAT-030", found)


def test_what_is_not_given_in_an_option_is_none(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    (source,) = feed_files.sources([{"kind": "kev", "path": path, "url": None, "sha256": None, "date": None}])

    assert source == feed_files.Source(feeds.KEV, path)
