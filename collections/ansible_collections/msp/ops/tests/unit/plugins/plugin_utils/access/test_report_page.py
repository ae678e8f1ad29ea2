# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a customer reads of who can log in: the same in two languages, as a page and as text, and nothing that runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.access.report_page import SECTIONS, told
from ansible_collections.msp.ops.plugins.plugin_utils.report.standing_page import Told, page, text
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import customer, made, nobody

EVIL = "<script>alert(1)</script>{{ 7*7 }}\u202e"


def said(language: str = "en") -> Told:
    return told(made(), customer(language), "Noordkaap IT", "access-report.json")


def plain(language: str = "en") -> str:
    return " ".join(text(said(language)).split())


def test_the_summary_says_how_many_people_and_how_many_by_a_password_alone() -> None:
    words = plain()
    assert "7 people can log in to your machines; 2 of them always need a second proof" in words
    assert "For 2 a password is still enough" in words
    assert "2 people get in over the network with a password alone: bert, eva" in words
    assert "Of 1 machine we do not know who can log in: jansen-pc02" in words
    assert "1 account of a program gets in from anywhere with one proof: scanner" in words
    assert "1 person has set it up for Microsoft 365, and nothing makes it obligatory: bert@" in words
    dutch = plain("nl")
    assert "7 mensen kunnen op uw apparaten inloggen" in dutch
    assert "2 mensen komen via het netwerk met alleen een wachtwoord binnen: bert, eva" in dutch


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_section_is_there_and_every_account_in_one(language: str) -> None:
    found = said(language)
    assert [one.key for one in found.sections] == list(SECTIONS)
    rows = {one.key: [(row.name, row.sub) for row in one.rows] for one in found.sections}
    assert rows["assets"][0] == ("bert", "jansen-srv01")
    assert ("anna", "jansen-kassa01") in rows["assets"] and ("anna", "jansen-srv01") in rows["assets"]
    assert {name for name, _sub in rows["others"]} == {"scanner", "backup", "msp"}
    assert [name for name, _sub in rows["guests"]] == ["leverancier@bakkerijjansen.example"]
    assert {name for name, _sub in rows["emergency"]} == {"nood", "nood@bakkerijjansen.example"}
    assert {name for name, _sub in rows["dark"]} == {"jansen-pc01", "jansen-pc02", "jansen-kassa01"}


def test_tiles_are_people_and_come_to_all_of_them() -> None:
    found = said()
    assert sum(tile.value for tile in found.tiles) == len(made().people)
    assert found.counting == "The people who can log in to your machines"
    assert found.counting in page(found)


def test_who_has_to_enrol_is_named_on_machines_and_in_microsoft_365() -> None:
    (section,) = [one for one in said().sections if one.key == "enrol"]
    assert [row.name for row in section.rows] == [
        *("bert", "carla", "frits", "gerda"),
        *("eva@bakkerijjansen.example", "carla@bakkerijjansen.example"),
    ]


def test_ways_are_told_weakest_first_and_with_what_limits_them() -> None:
    words = plain()
    assert "Over the network password; key file" in words
    assert "key file; only with address 192.0.2.0/24" in words
    assert "key file; for one command" in words
    assert "everything, with password" in words


def test_what_is_not_known_is_said_with_why() -> None:
    words = plain()
    assert "gerda: pam_duo.so" in words
    assert "could not be looked at the last time; message: MSP-AUD-003: jansen-pc02 did not answer" in words
    assert "accounts of a directory (sss)" in words


def test_a_customer_of_whom_nothing_was_seen_has_a_page_too() -> None:
    found = told(nobody(), customer("en"), "Noordkaap IT", "x.json")
    assert "Nobody has looked anywhere yet" in page(found)
    assert "cloud" not in [one.key for one in found.sections]


@pytest.mark.parametrize("language", ["nl", "en"])
def test_what_hosts_and_entra_say_is_text_and_nothing_else(language: str) -> None:
    report = made()
    hosts = tuple(
        replace(
            host,
            unknown=(EVIL,),
            look=replace(host.look, name=EVIL, error=EVIL),
            accounts=tuple(
                replace(one, account=replace(one.account, name=EVIL, unknown=(EVIL,))) for one in host.accounts
            ),
        )
        for host in report.hosts
    )
    assert report.cloud is not None
    people = tuple(
        replace(one, name=EVIL, display=EVIL, methods=(EVIL,), by=(EVIL,), why=(EVIL,)) for one in report.cloud.people
    )
    evil = replace(report, hosts=hosts, cloud=replace(report.cloud, people=people, unknown=(EVIL,)), wrong={EVIL: EVIL})
    found = told(evil, customer(language, EVIL), EVIL, "x.json")
    shown = page(found)
    assert "<script>alert" not in shown and "&lt;script&gt;" in shown and "{{ 7*7 }}" in shown
    assert "\u202e" not in shown and "\u202e" not in text(found)
