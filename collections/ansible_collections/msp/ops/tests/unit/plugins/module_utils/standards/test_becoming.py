# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A job that becomes an account by its shell is seen, wherever jobs stand; what needs no shell is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import becoming
from ansible_collections.msp.ops.plugins.module_utils.standards.becoming import Jobs
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader

NIGHTLY = "/etc/cron.d/nightly"


def signs(place: Path, text: str, path: str = NIGHTLY, name: str = "app") -> list[str]:
    return becoming.signs(becoming.read(made_reader(place, {path: text}).host), name)


@pytest.mark.parametrize(
    "line",
    [
        "0 3 * * * root su - app -c /opt/app/backup",
        "0 3 * * * root /bin/su app -c backup",
        "su app",
        "su -c 'backup --all' app",
        "ExecStart=-/sbin/runuser -l app -c backup",
        "runuser -u app -- backup",
        "runuser -uapp backup",
        "test -x /opt/app && (su -s /bin/sh 'app' -c backup)",
        'out=$(su - "app" -c backup)',
        "su - \\\n  app -c backup",
        "# nightly \\\nsu - app -c backup",
        "sudo -i -u app backup",
        "sudo -iu app backup",
        "sudo -n -u app -i backup",
        "sudo --login --user=app backup",
        'DAEMON_USER="app"\nsu - $DAEMON_USER -c backup',
    ],
)
def test_a_line_that_becomes_the_account_is_seen_and_its_file_is_named(tmp_path: Path, line: str) -> None:
    assert signs(tmp_path, f"#!/bin/sh\n{line}\n") == [f"a job in {NIGHTLY}"]


@pytest.mark.parametrize(
    "line",
    [
        "0 3 * * * app backup",  # cron has a shell of its own
        "sudo -u app backup",
        "sudo -u app cat log | grep -i fault",
        "User=app",
        "# su - app -c backup",
        "su - application -c backup",
        "su - my-app -c backup",
        "su - other -c /opt/bin/app",
        "su - other -c '/opt/app/backup'",
        "visu app",
        "/usr/bin/su.old app",
        "APP=app\nsu - other -c backup",
    ],
)
def test_a_line_that_does_not_become_it_is_no_sign(tmp_path: Path, line: str) -> None:
    assert signs(tmp_path, f"#!/bin/sh\n{line}\n") == []


@pytest.mark.parametrize(
    "path",
    [
        "/etc/crontab",
        "/etc/cron.hourly/job",
        "/etc/cron.daily/job",
        "/etc/cron.weekly/job",
        "/etc/cron.monthly/job",
        "/var/spool/cron/crontabs/root",
        "/var/spool/cron/root",
        "/etc/init.d/app",
        "/etc/systemd/system/app.service",
        "/etc/systemd/system/app.service.d/more.conf",
        "/etc/logrotate.d/app",
        "/usr/local/sbin/nightly",
    ],
)
def test_jobs_are_looked_for_wherever_they_stand(tmp_path: Path, path: str) -> None:
    assert signs(tmp_path, "su - app -c backup\n", path) == [f"a job in {path}"]


def test_as_whom_logrotate_rotates_is_no_use_of_a_shell_and_a_script_in_it_is(tmp_path: Path) -> None:
    rotates = "/var/log/app.log {\n  su app adm\n  postrotate\n    %s\n  endscript\n}\n"
    place = "/etc/logrotate.d/app"

    assert signs(tmp_path / "a", rotates % "systemctl reload app", place) == []
    assert signs(tmp_path / "b", rotates % "su app -c reopen", place) == [f"a job in {place}"]
    # A line of a shell script is one, whatever it looks like.
    assert signs(tmp_path / "c", "su app adm\n") == [f"a job in {NIGHTLY}"]


def test_a_program_is_not_read_and_a_text_too_large_to_read_may_be_anybodys_job(tmp_path: Path) -> None:
    many = "x\n" * (becoming.MOST_BYTES // 2)

    assert signs(tmp_path / "a", "\0" + many + "su - app\n", "/usr/local/bin/tool") == []
    assert signs(tmp_path / "b", many + "su - app\n") == [f"perhaps a job, in {NIGHTLY}, which is too large"]


def test_more_files_than_are_looked_at_may_have_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(becoming, "MOST_FILES", 2)
    files = {f"/etc/cron.d/{name}": "true\n" for name in "abc"}

    assert becoming.signs(becoming.read(made_reader(tmp_path, files).host), "app") == [
        "perhaps a job, in more than 2 files"
    ]


def test_a_link_to_nowhere_or_to_itself_is_no_job_and_a_unit_that_is_linked_is(tmp_path: Path) -> None:
    reader = made_reader(tmp_path, {"/lib/systemd/system/app.service": "ExecStart=/bin/su - app -c run\n"})
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "gone.service").symlink_to("nowhere")
    (wants / "loop.service").symlink_to("loop.service")
    (wants / "app.service").symlink_to("../../../../lib/systemd/system/app.service")

    assert becoming.signs(becoming.read(reader.host), "app") == [
        "a job in /etc/systemd/system/multi-user.target.wants/app.service"
    ]


NAMES = st.from_regex(r"[a-z_][a-z0-9_-]{0,12}", fullmatch=True)


@given(NAMES, NAMES, st.sampled_from(["su - {0} -c x", "runuser -l {0}", "sudo -iu {0} x", "su -c x {0}"]))
def test_every_account_that_is_named_is_found_and_no_other(name: str, other: str, line: str) -> None:
    found = Jobs([becoming.Job(NIGHTLY, said) for said in becoming._said(NIGHTLY, line.format(name))], [])

    assert becoming.signs(found, name) == [f"a job in {NIGHTLY}"]
    if other not in (name, "x", "c", "l", "u") and not name.endswith(other):
        assert becoming.signs(found, other) == []
