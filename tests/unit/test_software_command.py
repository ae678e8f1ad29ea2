"""./msp software: who runs a package, as a person and a program read it. What it finds is in desk/test_software.py."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards.software_set import Package
from ansible_collections.msp.ops.plugins.plugin_utils.desk import software as desk
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from msp_cli import software

AT = dt.datetime(2026, 11, 1, 9, 30, tzinfo=dt.UTC)


def runs(number: int, customer: str = "harbour-dental") -> desk.Runs:
    package = Package("openssl", "3.0.11-1", "amd64", "Debian/bookworm")
    return desk.Runs(customer, f"device:{number}", f"srv{number:03}", package, "debian-12", AT)


class NoStore:
    def __enter__(self) -> NoStore:
        return self

    def __exit__(self, *_error: object) -> None:
        return None


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[desk.Answer]:
    """What the desk says next."""
    told: list[desk.Answer] = []

    def who_runs(_store: object, _name: str, _versions: Sequence[str], _customer: str | None) -> desk.Answer:
        return told.pop()

    monkeypatch.setattr(Store, "open", lambda **_options: NoStore())
    monkeypatch.setattr(desk, "who_runs", who_runs)
    return told


def test_versions_come_first_and_then_the_machines(
    answers: list[desk.Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    answers.append(desk.Answer("openssl <3.0.15", (runs(1), runs(2, "bakkerij-jansen")), 7, 40))

    assert software.main(["openssl", "<3.0.15"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "openssl <3.0.15: 2 machine(s) of 2 customer(s), of 40 machine(s) whose software is known; "
        "7 more have another version"
    )
    assert lines[1].split() == ["3.0.11-1", "2", "machine(s)", "of", "2", "customer(s)"]
    assert lines[3] == "harbour-dental  srv001  3.0.11-1  debian-12  Debian/bookworm  audited 2026-11-01"


def test_nobody_is_said_with_how_many_machines_are_known(
    answers: list[desk.Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    answers.append(desk.Answer("openssl =4", (), 7, 40))

    assert software.main(["openssl", "4"]) == software.NOTHING_FOUND

    said = capsys.readouterr().out
    assert said == "openssl =4: nobody, of 40 machine(s) whose software is known; 7 have another version of it\n"


@pytest.mark.parametrize(("options", "shown"), [([], software.MOST_SHOWN), (["--all"], software.MOST_SHOWN + 5)])
def test_a_long_list_is_cut_for_people_and_says_so(
    answers: list[desk.Answer], capsys: pytest.CaptureFixture[str], options: list[str], shown: int
) -> None:
    answers.append(desk.Answer("openssl", tuple(runs(number) for number in range(software.MOST_SHOWN + 5)), 0, 300))

    software.main(["openssl", *options])

    said = capsys.readouterr().out
    assert said.count("audited") == shown
    assert ("... and 5 more (--all)" in said) is not bool(options)


def test_a_program_gets_all_of_it(answers: list[desk.Answer], capsys: pytest.CaptureFixture[str]) -> None:
    answers.append(desk.Answer("openssl", (runs(1),), 0, 1))

    software.main(["openssl", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["versions"] == [{"version": "3.0.11-1", "assets": 1, "customers": 1}]
    assert found["runs"][0] == {
        "customer": "harbour-dental",
        "asset": "device:1",
        "host": "srv001",
        "version": "3.0.11-1",
        "architecture": "amd64",
        "origin": "Debian/bookworm",
        "platform": "debian-12",
        "audited": "2026-11-01T09:30:00+00:00",
    }


def test_what_a_host_called_itself_moves_no_cursor(
    answers: list[desk.Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    odd = desk.Runs("harbour-dental", "device:1", "srv\x1b[2J", runs(1).package, "debian-12", AT)
    answers.append(desk.Answer("openssl", (odd,), 0, 1))

    software.main(["openssl"])

    assert "\x1b" not in capsys.readouterr().out
