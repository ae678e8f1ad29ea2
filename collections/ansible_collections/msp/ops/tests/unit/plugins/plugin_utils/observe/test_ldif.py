# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""LDIF as directories export it: folded, in base64, with comments, changes, referrals; cut off and damaged."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.observe import ldif

ENTRY = "dn: cn=pc1,dc=example,dc=org\nobjectClass: device\ncn: pc1\n\n"


def write(entries: list[tuple[str, list[tuple[str, bytes]]]], width: int = 20, end: str = "\n") -> str:
    """A small writer of LDIF (RFC 2849): base64 where it must be, folded at this width."""
    text = f"version: 1{end}{end}"
    for dn, attributes in entries:
        for name, value in (("dn", dn.encode()), *attributes):
            line = f"{name}: {value.decode()}" if _safe(value) else f"{name}:: {base64.b64encode(value).decode()}"
            text += line[:width] + "".join(f"{end} {line[i : i + width]}" for i in range(width, len(line), width)) + end
        text += end
    return text


def _safe(value: bytes) -> bool:
    return (
        all(byte in range(1, 128) and byte not in (10, 13) for byte in value)
        and not value.startswith((b" ", b":", b"<"))
        and not value.endswith(b" ")
    )


def read(text: str) -> list[tuple[str, dict[str, list[bytes]]]]:
    return [(record.dn, dict(record.values)) for record in ldif.read(text).records]


def test_lines_are_unfolded_and_comments_left_out_folded_ones_too() -> None:
    text = "# made by\n  hand\nversion: 1\n\ndn: cn=pc1,\n dc=example\n# in between\n  and on\ndescription: a\n  b\n\n"

    assert read(text) == [("cn=pc1,dc=example", {"description": [b"a b"]})]


def test_base64_is_bytes_and_an_attributes_options_do_not_make_it_another() -> None:
    text = "dn:: Y249cGMx\nobjectGUID:: AAECAwQFBgcICQoLDA0ODw==\ncn;lang-nl: pc1\ncn: pc2\n\n"

    assert read(text) == [("cn=pc1", {"objectguid": [bytes(range(16))], "cn": [b"pc1", b"pc2"]})]


def test_windows_line_ends_are_line_ends() -> None:
    assert read(ENTRY.replace("\n", "\r\n")) == read(ENTRY)


def test_ldifdes_change_that_adds_is_an_entry() -> None:
    found = ldif.read(ENTRY.replace("objectClass", "changetype: add\nobjectClass", 1))

    assert [record.dn for record in found.records] == ["cn=pc1,dc=example,dc=org"]
    assert found.complete


@pytest.mark.parametrize("kind", ["delete", "modify", "modrdn"])
def test_other_changes_are_skipped_named_and_prove_nothing(kind: str) -> None:
    found = ldif.read(ENTRY + f"dn: cn=pc2\nchangetype: {kind}\n\n")

    assert len(found.records) == 1
    assert not found.complete
    assert [(skip.where, skip.why) for skip in found.skipped] == [("line 5", f"a change ({kind}), not an entry")]


def test_a_value_that_lies_somewhere_else_is_not_fetched_and_the_rest_is_used() -> None:
    found = ldif.read("dn: cn=pc1\nserialNumber:< file:///etc/shadow\ncn: pc1\n\n")

    assert found.records[0].values == {"cn": [b"pc1"]}
    assert not found.complete
    assert "not fetched" in found.skipped[0].why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cn: pc1\n\n", "without a name"),
        ("dn: cn=pc1\nno colon here\n\n", "no attribute and value"),
        ("dn: cn=pc1\ncn:: %%%\n\n", "cn: not base64"),
        ("dn:: %%%\ncn: pc1\n\n", "dn: not base64"),
        ("dn: cn=pc1\ncn: pc1\n", "no empty line closes"),
        ("dn: cn=pc1\ncn: pc", "in the middle of this entry"),
    ],
)
def test_what_is_damaged_is_named_and_the_answer_is_not_complete(text: str, why: str) -> None:
    found = ldif.read(text)

    assert not found.complete
    assert why in found.skipped[0].why


def test_a_cut_entry_is_not_used_for_its_last_value_may_be_half_of_one() -> None:
    assert read(ENTRY + "dn: cn=pc2\nserialNumber: ABC") == read(ENTRY)


def test_what_ldapsearch_says_at_the_end_is_no_entry() -> None:
    end = "# search result\nsearch: 2\nresult: 0 Success\n\n"
    found = ldif.read("# extended LDIF\n#\n\n" + ENTRY + end + "# numEntries: 1\n")

    assert len(found.records) == 1
    assert (found.complete, found.skipped) == (True, [])


@pytest.mark.parametrize(
    ("url", "complete"),
    [
        ("ldap://branch.example.org/DC=branch,DC=example,DC=org", False),
        ("ldap://DomainDnsZones.example.org/DC=DomainDnsZones,DC=example,DC=org", True),
        ("ldap://ForestDnsZones.example.org/DC=ForestDnsZones,DC=exa\n mple,DC=org", True),
        ("ldap://example.org/CN=Configuration,DC=example,DC=org", True),
    ],
)
def test_a_referral_leaves_out_what_is_there_but_for_active_directorys_own_partitions(url: str, complete: bool) -> None:
    found = ldif.read(f"{ENTRY}# search reference\nref: {url}\n\n")

    assert len(found.records) == 1
    assert found.complete is complete
    assert [skip.why.partition(":")[0] for skip in found.skipped] == ["a referral to another server, not followed"]


def test_a_referral_that_slapcat_writes_as_an_entry_is_one() -> None:
    found = ldif.read(
        ENTRY + "dn: ou=b,dc=example\nobjectClass: referral\nref: ldap://b.example.org/ou=b,dc=example\n\n"
    )

    assert (len(found.records), found.complete) == (1, False)
    assert "not followed" in found.skipped[0].why


@pytest.mark.parametrize("end", ["# search result\nsearch: 2\nresult: 4 Size limit exceeded\n\n", ""])
def test_a_search_that_did_not_end_well_or_whose_end_is_cut_off_proves_nothing(end: str) -> None:
    assert not ldif.read("# extended LDIF\n#\n\n" + ENTRY + end).complete


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ENTRY, True),
        ("\n# a comment\n  goes on\nversion: 1\n\n" + ENTRY, True),
        ("DN:: Y249cGMx\n", True),
        ("# extended LDIF\n", False),
        ("#TYPE Selected.Microsoft\n", False),
        ("Name,DNSHostName\n", False),
        ("", False),
    ],
)
def test_ldif_is_told_from_other_files_by_its_first_line(text: str, expected: bool) -> None:
    assert ldif.looks_like(text) is expected


NAMES = st.sampled_from(["cn", "objectClass", "description", "serialNumber", "objectGUID"])
# hypothesis takes words out of the code; a referral is no entry, and has its own test.
VALUES = st.binary(max_size=60).filter(lambda value: value.lower() != b"referral")
ENTRIES = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.lists(st.tuples(NAMES, VALUES), max_size=5),
    ),
    max_size=4,
)


@given(ENTRIES, st.integers(2, 80), st.sampled_from(["\n", "\r\n"]))
def test_what_a_directory_writes_is_read_back(
    entries: list[tuple[str, list[tuple[str, bytes]]]], width: int, end: str
) -> None:
    found = ldif.read(write(entries, width, end))

    expected = []
    for dn, attributes in entries:
        values: dict[str, list[bytes]] = {}
        for name, value in attributes:
            values.setdefault(name.lower(), []).append(value)
        expected.append((dn, values))
    assert [(record.dn, dict(record.values)) for record in found.records] == expected
    assert found.complete
    assert not found.skipped


@given(ENTRIES.filter(bool), st.data())
def test_a_text_cut_anywhere_but_between_two_entries_is_never_complete(
    entries: list[tuple[str, list[tuple[str, bytes]]]], data: st.DataObject
) -> None:
    text = write(entries)
    cut = text[: data.draw(st.integers(len("version: 1\n\n") + 1, len(text) - 1))]

    if not cut.endswith("\n\n"):
        assert not ldif.read(cut).complete
    assert len(ldif.read(cut).records) <= len(entries)


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    ldif.read(text)
