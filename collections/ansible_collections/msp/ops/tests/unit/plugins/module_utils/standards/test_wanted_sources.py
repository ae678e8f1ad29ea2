# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The repositories that a standard gives a host, and what of them is not there."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import repositories, wanted_sources
from ansible_collections.msp.ops.plugins.module_utils.standards.repositories import Repository

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n-----END PGP PUBLIC KEY BLOCK-----"
GIVEN = {
    "uri": "https://packages.example.com/debian",
    "suites": "{codename} {codename}-extra",
    "components": "main",
    "key": KEY,
}


def files(manager: str, **changed: str) -> dict[str, str]:
    (one,) = wanted_sources.wanted({"example": {**GIVEN, **changed}}, "bookworm", manager)
    return {file.path: file.content for file in wanted_sources.files(one, manager)}


def found(made: dict[str, str]) -> list[Repository]:
    """What the host's files would be read as."""
    return [
        one
        for path, text in made.items()
        if path.endswith((".sources", ".repo"))
        for one in repositories.parse(text, path, {})
    ]


def missing(manager: str, there: list[Repository], keys: dict[str, str], **changed: str) -> list[str]:
    asked = wanted_sources.wanted({"example": {**GIVEN, **changed}}, "bookworm", manager)
    return wanted_sources.missing(asked, there, keys, manager)


@pytest.mark.parametrize("manager", ["apt", "dnf"])
def test_what_is_written_is_what_is_wanted(manager: str) -> None:
    made = files(manager)

    assert missing(manager, found(made), made) == []


def test_apts_file_names_the_hosts_own_release_and_the_repositorys_own_key() -> None:
    made = files("apt")

    assert made == {
        "/etc/apt/keyrings/msp-example.asc": KEY + "\n",
        "/etc/apt/sources.list.d/msp-example.sources": wanted_sources.HEAD
        + "Types: deb\nURIs: https://packages.example.com/debian\nSuites: bookworm bookworm-extra\nComponents: main\n"
        + "Signed-By: /etc/apt/keyrings/msp-example.asc\n",
    }


def test_dnfs_file_has_its_signatures_checked() -> None:
    made = files("dnf")["/etc/yum.repos.d/msp-example.repo"]

    assert "gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/msp-example.asc\n" in made


def test_a_directory_of_packages_has_no_components() -> None:
    made = files("apt", suites="./", components="")

    assert "Suites: ./\nSigned-By" in made["/etc/apt/sources.list.d/msp-example.sources"]
    assert missing("apt", found(made), made, suites="./", components="") == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"suites": "trixie"}, "trixie is not switched on"),
        ({"components": "main contrib"}, "bookworm bookworm-extra is not switched on"),
        ({"uri": "https://other.example.com/debian"}, "is not switched on"),
        ({"key": KEY.replace("mDMEZ", "mDMEA")}, "its key is another"),
    ],
)
def test_what_is_there_otherwise_is_said(changed: dict[str, str], said: str) -> None:
    made = files("apt")

    assert len(lines := missing("apt", found(made), made, **changed)) == 1
    assert said in lines[0]


def test_a_repository_whose_key_is_gone_or_that_takes_unsigned_packages_is_not_as_it_has_to_be() -> None:
    made = files("apt")
    trusted = [one._replace(verified=False) for one in found(made)]

    assert missing("apt", found(made), {}) == ["example: its key is not there"]
    assert missing("apt", trusted, made) == ["example: its signatures are not checked"]
    assert missing("apt", [one._replace(signed_by=None) for one in found(made)], made) == [
        "example: https://packages.example.com/debian bookworm bookworm-extra is not switched on with its own key"
    ]


@pytest.mark.parametrize(
    ("changed", "found_text"),
    [
        ({"uri": "https://anna:secret@packages.example.com"}, "password"),
        ({"uri": "packages.example.com"}, "the uri"),
        ({"uri": "https://x.example.com/a\nTrusted: yes"}, "the uri"),
        ({"key": "mDMEZ"}, "no public key"),
        ({"suites": ""}, "no suites"),
        ({"suites": "./"}, "do not go together"),
        ({"components": "", "suites": "bookworm"}, "do not go together"),
        ({"suites": "bookworm; reboot"}, "the suites"),
        ({"trusted": "yes"}, "unknown key trusted"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_no_password_is_in_the_message(
    changed: dict[str, str], found_text: str
) -> None:
    with pytest.raises(MspError) as caught:
        wanted_sources.wanted({"example": {**GIVEN, **changed}}, "bookworm", "apt")

    assert caught.value.code == "MSP-STD-101"
    assert found_text in caught.value.found and "secret" not in str(caught.value)


def test_a_name_that_leaves_its_directory_is_refused() -> None:
    with pytest.raises(MspError):
        wanted_sources.wanted({"../x": GIVEN}, "bookworm", "apt")
