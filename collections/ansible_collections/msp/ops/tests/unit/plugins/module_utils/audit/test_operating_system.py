# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operating system and the end of its support."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit import operating_system, support_ends
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

ROCKY = """NAME="Rocky Linux"
VERSION="9.4 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
SUPPORT_END="2032-05-31"
"""
TABLE = (
    "version,codename,series,created,release,eol,eol-lts\n12,Bookworm,bookworm,a,b,2026-07-11,2029-01-31\n14,F,f,a\n"
)


def test_os_release_is_read_as_a_shell_would_without_running_it() -> None:
    found = operating_system.parse_os_release(
        'A=1\n# no\nB="two words"\nC=\'x\'\nD="a \\"b\\" \\$HOME $(id)"\nbroken\n'
    )

    assert found == {"A": "1", "B": "two words", "C": "x", "D": 'a "b" $HOME $(id)'}


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ({"ID": "debian"}, "debian"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "debian"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "redhat"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "suse"),
        ({"ID": "alpine"}, "alpine"),
    ],
)
def test_the_family_follows_what_a_system_says_it_is_like(release: dict[str, str], expected: str) -> None:
    assert operating_system.family(release) == expected


def test_the_makers_own_word_about_the_end_of_support_comes_first() -> None:
    release = operating_system.parse_os_release(ROCKY)

    assert operating_system.support_end(release, {}, None) == ("2032-05-31", "os-release of the host")


@pytest.mark.parametrize(
    ("release", "end"),
    [
        ({"ID": "debian", "VERSION_ID": "11"}, "2026-08-31"),
        ({"ID": "debian", "VERSION_ID": "12"}, "2028-06-30"),
        ({"ID": "debian"}, None),
        ({"ID": "ubuntu", "VERSION_ID": "22.04"}, "2027-06-01"),
        ({"ID": "ubuntu", "VERSION_ID": "23.10"}, "2024-07-11"),
        ({"ID": "rhel", "VERSION_ID": "8.10"}, "2029-05-31"),
        ({"ID": "rocky", "VERSION_ID": "9.4", "SUPPORT_END": "soon"}, "2032-05-31"),
        ({"ID": "centos", "NAME": "CentOS Linux", "VERSION_ID": "8"}, "2021-12-31"),
        ({"ID": "centos", "NAME": "CentOS Stream", "VERSION_ID": "8"}, "2024-05-31"),
        ({"ID": "arch"}, None),
    ],
)
def test_the_end_of_support_is_known_or_null_and_never_guessed(release: dict[str, str], end: str | None) -> None:
    found, source = operating_system.support_end(release, {}, None)

    assert found == end
    assert (source is None) == (end is None)


def test_ubuntu_pro_moves_the_end_to_that_of_expanded_maintenance() -> None:
    release = {"ID": "ubuntu", "VERSION_ID": "20.04"}

    assert operating_system.support_end(release, {}, None, pro=True)[0] == "2030-04-23"


@pytest.mark.parametrize(("date", "end"), [("2999-01-01", "2029-01-31"), ("2020-01-01", "2028-06-30")])
def test_the_newer_of_two_tables_is_asked_first(date: str, end: str) -> None:
    rows = operating_system.parse_distro_info(TABLE)

    assert operating_system.support_end({"ID": "debian", "VERSION_ID": "12"}, rows, date)[0] == end


def test_a_row_without_dates_gives_no_date() -> None:
    rows = operating_system.parse_distro_info(TABLE)

    assert operating_system.support_end({"ID": "debian", "VERSION_ID": "14"}, rows, "2999-01-01") == (None, None)


def test_our_table_agrees_with_distro_info_data_where_it_is_of_the_same_day() -> None:
    for name, ours in support_ends.DISTRO_INFO.items():
        place = Path(f"/usr/share/distro-info/{name}.csv")
        if not place.exists():
            pytest.skip("distro-info-data is not installed here")
        rows = operating_system.parse_distro_info(place.read_text())
        lacking = [version for version in ours if version not in rows]
        differing = [v for v, row in ours.items() for column, end in row.items() if rows[v].get(column) != end]
        newer = os.stat(place).st_mtime > 1760800000 + 86400
        assert not lacking
        assert not differing or newer


def test_the_point_release_of_debian_is_its_version(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    (tmp_path / "etc/debian_version").write_text("12.11\n")
    host = Host(str(tmp_path))

    found = operating_system.collect(host)

    assert (found["family"], found["version"], found["support_end"]) == ("debian", "12.11", "2028-06-30")


def test_a_host_without_os_release_says_so(tmp_path: Path) -> None:
    host = Host(str(tmp_path))

    found = operating_system.collect(host)

    assert found["support_end"] is None
    assert ("os", "there is no os-release file") in host.notes
