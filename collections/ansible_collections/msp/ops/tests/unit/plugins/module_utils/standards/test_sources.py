# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses are allowed, and repositories switched off where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import repositories, sources
from ansible_collections.msp.ops.plugins.module_utils.standards.repositories import Repository

ALLOWED = ("http://deb.debian.org/*", "https://*.archive.example.com/*", "file:/srv/*")


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("http://deb.debian.org/debian", True),
        ("http://deb.debian.org", True),
        ("http://deb.debian.org/debian-security/", True),
        ("https://deb.debian.org/debian", False),
        ("http://deb.debian.org.example.net/debian", False),
        ("http://example.net/deb.debian.org/debian", False),
        ("https://nl.archive.example.com/ubuntu", True),
        ("https://example.net/x.archive.example.com/ubuntu", False),
        ("https://anna:secret@nl.archive.example.com/ubuntu", True),
        ("http://deb.debian.org@example.net/debian", False),
        ("http://deb.debian.org:8080/debian", False),
        ("file:/srv/repo", True),
        ("file:/home/repo", False),
    ],
)
def test_an_address_is_allowed_by_its_whole_host(uri: str, allowed: bool) -> None:
    assert sources.matches(uri, ALLOWED) is allowed


LIST = """\
# The distribution
deb http://deb.debian.org/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/x.asc] https://packages.example.com/debian stable main # added by Bas
deb-src https://packages.example.com/debian stable main
"""
SOURCES = """\
# Two of them
Types: deb
URIs: http://deb.debian.org/debian
 https://packages.example.com/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://packages.example.com/tools
Suites: ./
Trusted: yes
Enabled: yes
"""
REPO = """\
# Written by hand
[main]
gpgcheck=1

[baseos]
name=BaseOS
baseurl=http://deb.debian.org/rocky
gpgcheck=1

[tools]
name=Tools
baseurl=https://packages.example.com/tools
        http://deb.debian.org/tools
enabled = 1
gpgcheck=0
"""


def foreign(one: Repository) -> bool:
    return "example.com" in one.uri


def on(text: str, file: str) -> list[str]:
    return [one.uri for one in repositories.parse(text, file, {}) if one.enabled]


def test_a_line_becomes_a_comment_and_the_others_stay_as_they_are() -> None:
    made = sources.without(LIST, "/a.list", foreign, {})

    assert made.splitlines() == [
        "# The distribution",
        "deb http://deb.debian.org/debian bookworm main",
        sources.OFF + LIST.splitlines()[2],
        sources.OFF + LIST.splitlines()[3],
    ]


def test_a_paragraph_keeps_its_allowed_addresses_and_one_without_any_is_switched_off() -> None:
    made = sources.without(SOURCES, "/a.sources", foreign, {})

    assert on(made, "/a.sources") == ["http://deb.debian.org/debian"]
    assert "URIs: http://deb.debian.org/debian\nSuites: bookworm" in made
    assert made.endswith("Trusted: yes\nEnabled: no\n")
    assert "mDMEZ" in made and made.startswith("# Two of them\n")


def test_a_section_of_dnf_is_switched_off_when_one_of_its_addresses_is_foreign() -> None:
    made = sources.without(REPO, "/a.repo", foreign, {})

    assert on(made, "/a.repo") == ["http://deb.debian.org/rocky"]
    assert "[tools]\nenabled=0\nname=Tools\n" in made
    assert made.startswith("# Written by hand\n[main]\ngpgcheck=1\n")


@pytest.mark.parametrize(("file", "text"), [("/a.list", LIST), ("/a.sources", SOURCES), ("/a.repo", REPO)])
def test_what_is_switched_off_stays_so_and_what_is_allowed_changes_nothing(file: str, text: str) -> None:
    made = sources.without(text, file, foreign, {})

    assert sources.without(made, file, foreign, {}) == made != text
    assert sources.without(text, file, lambda _one: False, {}) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("deb [trusted=yes] http://a.example b c\n", "deb http://a.example b c\n"),
        ("deb [ arch=amd64 trusted=yes ] http://a.example b c\n", "deb [arch=amd64] http://a.example b c\n"),
        ("deb [allow-insecure=true] http://a.example b c\n", "deb http://a.example b c\n"),
        ("deb [trusted=no] http://a.example b c\n", "deb [trusted=no] http://a.example b c\n"),
        ("# deb [trusted=yes] http://a.example b c\n", "# deb [trusted=yes] http://a.example b c\n"),
    ],
)
def test_a_line_of_apt_is_checked_by_its_signature_again(before: str, after: str) -> None:
    assert sources.strict(before, "/a.list", {}) == after
    assert all(one.verified for one in repositories.parse(after, "/a.list", {}))


def test_a_paragraph_of_apt_is_checked_by_its_signature_again() -> None:
    made = sources.strict(SOURCES, "/a.sources", {})

    assert "Trusted" not in made
    assert all(one.verified for one in repositories.parse(made, "/a.sources", {}))
    assert on(made, "/a.sources") == on(SOURCES, "/a.sources")


@pytest.mark.parametrize("main", [{}, {"gpgcheck": "1"}])
def test_a_section_of_dnf_is_checked_by_its_signature_again(main: dict[str, str]) -> None:
    text = REPO + "\n[more]\nbaseurl=http://deb.debian.org/more\n"

    made = sources.strict(text, "/a.repo", main)

    assert all(one.verified for one in repositories.parse(made, "/a.repo", main))
    assert "[tools]\ngpgcheck=1\n" in made and "gpgcheck=0" not in made
    assert ("[more]\ngpgcheck=1\n" in made) is not bool(main)


URIS = st.sampled_from(["http://deb.debian.org/debian", "https://packages.example.com/a", "http://b.example.com/c"])


@given(st.lists(URIS, min_size=1, max_size=4), st.booleans())
@settings(max_examples=80, deadline=None)
def test_exactly_the_allowed_repositories_stay_on(uris: list[str], paragraph: bool) -> None:
    file = "/a.sources" if paragraph else "/a.list"
    text = "".join(f"deb {uri} x y\n" for uri in uris)
    if paragraph:
        text = "Types: deb\nURIs: " + " ".join(uris) + "\nSuites: x\nComponents: y\n"

    made = sources.without(text, file, foreign, {})

    assert on(made, file) == [uri for uri in uris if "example.com" not in uri]
