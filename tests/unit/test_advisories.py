"""pip-audit in ./msp lint: findings fail it; a database that is silent or knows nothing is "not checked", never clean.

The database here is a stand-in for OSV's, on this machine: it speaks the protocol as pip-audit asks it, and knows what
each test tells it. Offline is real: a port where nobody listens, and an address that no resolver knows.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from msp_cli import advisories, lint

pytestmark = pytest.mark.thorough
KNOWN_BAD = tuple(advisories.KNOWN_BAD.split("=="))
OF_KNOWN_BAD = {KNOWN_BAD: "CVE-2014-1402"}


class StandInDatabase(ThreadingHTTPServer):
    """A stand-in for the database of advisories: {(package, version): id of what is known against it}."""

    def __init__(self, knows: dict[tuple[str, ...], str], status: int, body: bytes | None) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.knows, self.status, self.body = knows, status, body
        self.asked: list[tuple[str, str]] = []


class _Answers(BaseHTTPRequestHandler):
    server: StandInDatabase

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = (query["package"]["name"], query["version"])
        self.server.asked.append(package)
        known = self.server.knows.get(package)
        answer: dict[str, Any] = {}
        if known:
            affected = {"package": {"name": package[0], "ecosystem": "PyPI"}, "ranges": []}
            answer = {"vulns": [{"id": known, "summary": "made up", "affected": [affected]}]}
        body = json.dumps(answer).encode() if self.server.body is None else self.server.body
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., StandInDatabase]]:
    """Starts a stand-in database and points pip-audit at it."""
    running: list[StandInDatabase] = []

    def start(knows: dict[tuple[str, ...], str], *, status: int = 200, body: bytes | None = None) -> StandInDatabase:
        server = StandInDatabase(knows, status, body)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        monkeypatch.setenv(advisories.ADDRESS, f"http://127.0.0.1:{server.server_port}/v1/query")
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two short lock files, and a cache of this test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(advisories, "ROOT", tmp_path)
    first, second = tmp_path / "requirements.lock", tmp_path / "other.lock"
    first.write_text(f"rich==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    second.write_text(f"jmespath==0.1 ; python_full_version >= '3.12' \\\n    --hash=sha256:{'1' * 64}\n")
    monkeypatch.setattr(advisories, "LOCKS", (first, second))


def test_it_is_clean_only_when_the_database_knew_better_of_another_package(
    database: Callable[..., StandInDatabase], capsys: pytest.CaptureFixture[str]
) -> None:
    running = database(OF_KNOWN_BAD)

    assert advisories.main() == 0
    assert running.asked == [KNOWN_BAD, ("rich", "1.0"), ("jmespath", "0.1")]
    assert capsys.readouterr().out == ""


def test_what_is_known_against_a_package_of_either_file_is_a_failure(
    database: Callable[..., StandInDatabase], capsys: pytest.CaptureFixture[str]
) -> None:
    database({**OF_KNOWN_BAD, ("rich", "1.0"): "TEST-2026-1", ("jmespath", "0.1"): "TEST-2026-2"})

    assert advisories.main() == 1
    assert capsys.readouterr().err.splitlines() == [
        "requirements.lock: rich 1.0: TEST-2026-1, no release mends it yet",
        "other.lock: jmespath 0.1: TEST-2026-2, no release mends it yet",
    ]


def test_a_database_that_knows_nothing_is_not_believed(
    database: Callable[..., StandInDatabase], capsys: pytest.CaptureFixture[str]
) -> None:
    database({})

    assert advisories.main() == advisories.NOT_CHECKED
    assert "not checked: the database of advisories knows nothing against jinja2" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "body"), [(503, b""), (403, b"blocked"), (200, b"<html>Sign in</html>")])
def test_a_database_that_is_kept_from_answering_is_not_checked(
    database: Callable[..., StandInDatabase], status: int, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    database(OF_KNOWN_BAD, status=status, body=body)

    assert advisories.main() == advisories.NOT_CHECKED
    assert "not checked" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["nobody listens", "no such name"])
def test_offline_it_is_not_checked(
    where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound, and not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}" if where == "nobody listens" else "advisories.invalid"
        monkeypatch.setenv(advisories.ADDRESS, f"http://{host}/v1/query")

        assert advisories.main() == advisories.NOT_CHECKED
    assert "not checked" in capsys.readouterr().out


def test_a_package_that_was_passed_over_is_not_checked() -> None:
    """pip-audit itself ends with 0 and "No known vulnerabilities found" here."""
    with pytest.raises(advisories.Silent, match="1 of 2 packages could not be looked up: rich"):
        advisories.read(
            {
                "dependencies": [
                    {"name": "rich", "skip_reason": "not found"},
                    {"name": "jmespath", "version": "0.1", "vulns": []},
                ]
            }
        )


def test_a_failure_of_pip_audit_itself_is_a_failure(
    database: Callable[..., StandInDatabase], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database(OF_KNOWN_BAD)
    (tmp_path / "other.lock").write_text("jmespath\n")  # no version, so there is nothing to ask about

    assert advisories.main() == 1
    assert "pip-audit failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("failed", "not_checked", "words"),
    [
        ([], [], "clean"),
        ([], ["pip-audit"], "clean: mypy; not checked: pip-audit"),
        (["mypy"], ["pip-audit"], "failed: mypy; not checked: pip-audit"),
        (["mypy", "pip-audit"], [], "failed: mypy, pip-audit"),
    ],
)
def test_lint_says_of_each_what_it_was(failed: list[str], not_checked: list[str], words: str) -> None:
    assert lint.verdict(["mypy", "pip-audit"], failed, not_checked) == words


@pytest.mark.parametrize(
    ("status", "code", "said"), [(0, 0, "clean"), (75, 0, "not checked: pip-audit"), (1, 1, "failed: pip-audit")]
)
def test_not_checked_fails_nothing_and_is_no_cleanness(
    status: int, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lint, "run", lambda _command, **_environment: status)

    assert lint.main(["pip-audit"]) == code
    assert capsys.readouterr().out == f"lint: {said}\n"
    if status == advisories.NOT_CHECKED:
        assert lint.main(["mypy"]) == 1  # the same number from another check is a failure


def test_what_cannot_be_asked_about_one_file_keeps_nothing_known_of_the_other(
    database: Callable[..., StandInDatabase], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database({**OF_KNOWN_BAD, ("jmespath", "0.1"): "TEST-2026-2"})
    asked = advisories.asked

    def silent_of_the_first(lock: Path) -> Any:
        if lock.name == "requirements.lock":
            raise advisories.Silent("no answer")
        return asked(lock)

    monkeypatch.setattr(advisories, "asked", silent_of_the_first)
    assert advisories.main() == 1
    told = capsys.readouterr()
    assert "requirements.lock not checked: no answer" in told.out and "TEST-2026-2" in told.err
