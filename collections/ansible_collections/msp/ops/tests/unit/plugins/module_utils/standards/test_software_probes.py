# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host in a directory held against its software set."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import software_probes as probes
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_reader import made_reader, printing

STATUS = """\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u9

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9+deb12u9

Package: nginx
Status: hold ok installed
Architecture: amd64
Version: 1.18.0-6

Package: agent
Status: install ok installed
Architecture: all
Version: 3.0

Package: telnet
Status: deinstall ok config-files
Architecture: all
Version: 0.17
"""
# libc6's installed version is no longer in the archive; agent is in none.
POLICY = """\
agent:
  Installed: 3.0
  Candidate: 3.0
  Version table:
 *** 3.0 100
        100 /var/lib/dpkg/status
dpkg:
  Installed: 1.21.22
  Candidate: 1.21.22
  Version table:
 *** 1.21.22 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
libc6:
  Installed: 2.36-9+deb12u9
  Candidate: 2.36-9+deb12u13
  Version table:
     2.36-9+deb12u13 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
 *** 2.36-9+deb12u9 100
        100 /var/lib/dpkg/status
libc6:i386:
  Installed: 2.36-9+deb12u9
  Candidate: 2.36-9+deb12u9
  Version table:
 *** 2.36-9+deb12u9 100
        100 /var/lib/dpkg/status
nginx:
  Installed: 1.18.0-6
  Candidate: 1.18.0-6
  Version table:
 *** 1.18.0-6 500
        500 https://packages.example.com/nginx bookworm/nginx amd64 Packages
        100 /var/lib/dpkg/status
"""
RELEASE = "Origin: Debian\nLabel: Debian\nSuite: oldstable\nCodename: bookworm\nSHA256:\n"
HOST = {
    "/var/lib/dpkg/status": STATUS,
    "/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease": RELEASE,
    "/etc/os-release": 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
    "/etc/apt/sources.list": "deb http://deb.debian.org/debian bookworm main\n",
    "/etc/apt/sources.list.d/example.list": "deb https://anna:secret@packages.example.com/nginx bookworm nginx\n",
    "/etc/apt/sources.list.d/example.list.save": "deb http://not.read.example.com/ x y\n",
}
DUMP = 'APT::Get::AllowUnauthenticated "true";\nAPT::Periodic::Unattended-Upgrade "1";\n'
DUMP += 'Unattended-Upgrade::Origins-Pattern:: "origin=Debian,label=Debian-Security";\n'
EXAMPLE = "https://packages.example.com/nginx bookworm (/etc/apt/sources.list.d/example.list)"
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nmDMEZ\n-----END PGP PUBLIC KEY BLOCK-----"


def host(root: Path, **programs: str) -> Reader:
    made = {"apt-cache": printing(POLICY), "apt-config": printing(DUMP), **programs}
    return made_reader(root, HOST, {name.replace("_", "-"): text for name, text in made.items()})


def test_what_is_required_is_told_with_what_would_install_it(tmp_path: Path) -> None:
    found = probes.required_packages(host(tmp_path), ("dpkg", "nginx >=1.22", "restic", "telnet"))

    assert found == {
        "missing": ["restic", "telnet"],
        "outdated": ["nginx 1.18.0-6, not nginx >=1.22"],
        "install": ["restic", "telnet", "nginx>=1.22"],
    }


def test_what_is_forbidden_is_removed_and_what_is_only_in_some_versions_is_brought_to_a_newer_one(
    tmp_path: Path,
) -> None:
    found = probes.forbidden_packages(host(tmp_path), ("nginx <1.20", "age*", "telnet"))

    assert found == {"found": ["agent 3.0", "nginx 1.18.0-6"], "remove": ["agent"], "upgrade": ["nginx"]}


def test_a_package_of_a_foreign_architecture_is_called_with_it(tmp_path: Path) -> None:
    assert probes.forbidden_packages(host(tmp_path), ("libc6",))["remove"] == ["libc6", "libc6:i386"]


def test_what_is_of_no_allowed_origin_is_unknown_and_an_older_version_is_of_its_archive(tmp_path: Path) -> None:
    found = probes.unknown_packages(host(tmp_path), ("libc6 =2.36-9+deb12u9",), ("Debian/*",))

    assert found == {
        "found": ["agent 3.0 (of no repository)", "nginx 1.18.0-6 (packages.example.com/bookworm)"],
        "remove": ["agent", "nginx"],
    }


def test_without_package_lists_nobody_knows_where_anything_came_from(tmp_path: Path) -> None:
    bare = "nginx:\n  Installed: 1\n  Candidate: 1\n  Version table:\n *** 1 100\n        100 /var/lib/dpkg/status\n"

    with pytest.raises(Unmeasurable, match="no package lists"):
        probes.unknown_packages(host(tmp_path, apt_cache=printing(bare)), (), ("Debian/*",))


def test_a_package_manager_that_fails_is_no_host_without_unknown_packages(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable):
        probes.unknown_packages(host(tmp_path, apt_cache="exit 100"), (), ("*",))


def test_a_package_that_is_kept_at_its_version_is_named(tmp_path: Path) -> None:
    assert probes.held_packages(host(tmp_path)) == {"held": ["nginx"]}


def test_a_repository_that_is_not_allowed_is_told_without_its_password(tmp_path: Path) -> None:
    reader = host(tmp_path)

    assert probes.foreign_repositories(reader, ("http://deb.debian.org/*",)) == {"found": [EXAMPLE]}
    assert probes.foreign_repositories(reader, ("http://deb.debian.org/*", "https://packages.example.com/*")) == {
        "found": []
    }


def test_only_the_distribution_may_do_without_a_key_of_its_own(tmp_path: Path) -> None:
    found = probes.unsigned_repositories(host(tmp_path), ("http://deb.debian.org/*",))

    assert found == {"found": ["APT::Get::AllowUnauthenticated is on", f"{EXAMPLE}: no key of its own"]}


def test_a_list_of_mirrors_on_the_host_is_what_is_in_it(tmp_path: Path) -> None:
    mirrors = {
        "/etc/apt/sources.list": "deb mirror+file:/etc/apt/mirrors.list bookworm main\n",
        "/etc/apt/mirrors.list": "http://deb.debian.org/debian\nhttp://evil.example.com/debian\tpriority:1\n",
    }
    reader = made_reader(tmp_path, mirrors)

    assert probes.foreign_repositories(reader, ("http://deb.debian.org/*", "mirror+file:*"))["found"]
    assert not probes.foreign_repositories(reader, ("http://deb.debian.org/*", "http://evil.example.com/*"))["found"]


def test_a_repository_that_has_to_be_there_is_told_with_the_files_that_make_it(tmp_path: Path) -> None:
    wanted = {
        "tools": {"uri": "https://packages.example.com/tools", "suites": "{codename}", "components": "x", "key": KEY}
    }

    found = probes.wanted_repositories(host(tmp_path), wanted)
    for file in found["files"]:
        place = tmp_path / file["path"].lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file["content"])

    assert found["missing"] == [
        "tools: https://packages.example.com/tools bookworm is not switched on with its own key"
    ]
    assert probes.wanted_repositories(host(tmp_path), wanted)["missing"] == []


def test_a_repository_that_cannot_be_meant_is_an_error_and_not_a_repository_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(MspError) as caught:
        probes.wanted_repositories(host(tmp_path), {"tools": {"uri": "https://packages.example.com"}})

    assert caught.value.code == "MSP-STD-101"


@pytest.mark.parametrize(
    ("active", "enabled", "policy"),
    [("active", "enabled", "security"), ("inactive", "enabled", "unclear"), ("inactive", "disabled", "none")],
)
def test_automatic_updates_are_what_their_timers_make_of_them(
    tmp_path: Path, active: str, enabled: str, policy: str
) -> None:
    unit = f"LoadState=loaded\nActiveState={active}\nSubState=waiting\nUnitFileState={enabled}\n"
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/unattended-upgrade").touch()

    found = probes.automatic(host(tmp_path, systemctl=printing(unit + "\n" + unit)))

    assert found == {"policy": policy, "reboot": False}


# What env is started for: apt-config that is told to pass over apt.conf, and that says what it was told.
PASSING_OVER = """case "$*" in
*APT_CONFIG=*" apt-config dump") grep -q '^Dir::Etc::main "/dev/null";$' "${1#APT_CONFIG=}" || exit 3
%s
;;
esac"""
SECURITY = """APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=bookworm,label=Debian-Security";"""


@pytest.mark.parametrize(
    ("main", "policy", "reboot"),
    [
        ('Unattended-Upgrade::Origins-Pattern:: "origin=Debian";', "security", None),
        ('Unattended-Upgrade::Automatic-Reboot "true";', None, False),
        ("", None, None),
    ],
)
def test_what_apts_own_file_makes_of_updates_is_told_apart(
    tmp_path: Path, main: str, policy: str | None, reboot: bool | None
) -> None:
    unit = "LoadState=loaded\nActiveState=active\nSubState=waiting\nUnitFileState=enabled\n"
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/unattended-upgrade").touch()
    scripts = {
        "systemctl": printing(unit + "\n" + unit),
        "apt-config": printing(f"{SECURITY}\n{main}"),
        "env": PASSING_OVER % printing(SECURITY),
    }
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/apt.conf").write_text(main)

    found = probes.automatic(host(tmp_path, **scripts))

    expected = {name: value for name, value in (("policy", policy), ("reboot", reboot)) if value is not None}
    assert found.get("within_reach", {}) == expected
    assert found.get("out_of_reach", {}) == {name: ["/etc/apt/apt.conf"] for name in expected}


def test_what_apts_own_file_says_of_signatures_is_told_apart(tmp_path: Path) -> None:
    reader = host(tmp_path, env=PASSING_OVER % "true")
    (tmp_path / "etc/apt/apt.conf").write_text('APT::Get::AllowUnauthenticated "true";\n')

    found = probes.unsigned_repositories(reader, ("http://deb.debian.org/*",))

    assert found == {
        "found": ["APT::Get::AllowUnauthenticated is on", f"{EXAMPLE}: no key of its own"],
        "within_reach": {"found": [f"{EXAMPLE}: no key of its own"]},
        "out_of_reach": {"found": ["/etc/apt/apt.conf"]},
    }


def test_what_cannot_be_told_apart_is_no_measurement(tmp_path: Path) -> None:
    reader = host(tmp_path, env="exit 100")
    (tmp_path / "etc/apt/apt.conf").write_text("")

    with pytest.raises(Unmeasurable):
        probes.unsigned_repositories(reader, ())


def test_a_host_with_neither_apt_nor_dnf_has_no_repositories_to_be_right(tmp_path: Path) -> None:
    for measure in (probes.foreign_repositories, probes.unsigned_repositories):
        with pytest.raises(Absent):
            measure(made_reader(tmp_path, {}), ())
