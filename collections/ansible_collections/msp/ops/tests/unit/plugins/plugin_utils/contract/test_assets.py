# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asset lists become assets: every broken row named with its place, sources merged, nothing guessed."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import assets
from ansible_collections.msp.ops.plugins.plugin_utils.contract.assets import AssetList, Row
from ansible_collections.msp.ops.plugins.plugin_utils.contract.document import AssetFile, Lists, Site
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import WarrantySource


def lists(*files: AssetFile, sites: Sequence[Site] = (Site("hq", "Head office"),)) -> Lists:
    return Lists(tuple(sites), files)


def read(
    text: str, skip: bool = False, sites: Sequence[Site] = (Site("hq", "Head office"),), **options: Any
) -> AssetList:
    """The assets of one CSV file."""
    return assets.read(lists(AssetFile("a.csv", **options), sites=sites), {"a.csv": text.encode()}, skip_bad_rows=skip)


def errors_of(text: str, **options: Any) -> list[MspError]:
    with pytest.raises(MspErrors) as caught:
        read(text, **options)
    return caught.value.errors


DUTCH = """\
Apparatuur van de bakkerij;;;;;;;
;;;;;;;
Naam;Soort;Serienummer;IP-adres;MAC-adres;Aanschafdatum;Garantie tot;Prijs;Kleur
srv01;Server;ABC123;192.0.2.10;02-00-5E-00-00-0A;31-01-2024;31-12-2026;1.249,50;rood

ws01;Laptop;;onbekend;;1-2-2025;;;
"""


def test_a_dutch_list_is_read_below_its_title_with_every_value_exact() -> None:
    found = read(DUTCH)

    server, laptop = (asset.row for asset in found.assets)
    assert (server.name, server.asset_class, server.serial) == ("srv01", "server", "ABC123")
    assert (server.address, server.mac) == ("192.0.2.10", "02:00:5e:00:00:0a")
    assert server.warranty == WarrantySource(
        "asset list", dt.date(2024, 1, 31), dt.date(2026, 12, 31), Decimal("1249.50")
    )
    assert laptop.asset_class == "workstation"
    assert laptop.address is None
    assert laptop.warranty.purchase == dt.date(2025, 2, 1)
    assert found.unknown_columns == ("a.csv, row 3, column 9: Kleur",)


def test_every_broken_cell_of_every_row_is_named_at_once() -> None:
    text = (
        "Naam;Soort;IP;Garantie tot;Prijs;Locatie\n"
        "a;boot;192.0.2.300;ooit;veel;Mars\n"
        "b;server;;31-02-2026;;\n"
        ";server;192.0.2.4;;;\n"
    )

    found = errors_of(text)

    assert [error.code for error in found] == ["MSP-CON-012"] * 7
    places = [error.expected.split(" to be ")[0] for error in found]
    assert places == [
        "a.csv, row 2, column 2 (Soort)",
        "a.csv, row 2, column 3 (IP)",
        "a.csv, row 2, column 4 (Garantie tot)",
        "a.csv, row 2, column 5 (Prijs)",
        "a.csv, row 2, column 6 (Locatie)",
        "a.csv, row 3, column 4 (Garantie tot)",
        "a.csv, row 4",
    ]


def test_a_broken_row_of_a_workbook_is_named_with_sheet_row_and_column() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Assets"
    for row in (["Name", "Class", "Warranty until"], ["a", "server", dt.date(2027, 1, 1)], ["b", "server", "#REF!"]):
        sheet.append(row)
    sheet.append(["c", "server", 46388])
    stream = io.BytesIO()
    book.save(stream)

    with pytest.raises(MspErrors) as caught:
        assets.read(lists(AssetFile("a.xlsx")), {"a.xlsx": stream.getvalue()})

    first, second = caught.value.errors
    assert first.expected.startswith("a.xlsx, sheet Assets, row 3, column C (Warranty until) to be a date")
    assert first.found == "the error #REF!"
    assert second.found == "the number 46388"


def test_broken_rows_are_left_out_only_when_that_was_chosen() -> None:
    text = "name,class,warranty until,serial\na,server,2027-01-01,\nb,server,soon,SER-B\n"

    found = read(text, skip=True)

    assert [asset.row.name for asset in found.assets] == ["a"]
    [skipped] = found.skipped
    assert (skipped.place, skipped.name, skipped.serial) == ("a.csv, row 3", "b", "SER-B")
    assert "soon" in skipped.reason


def test_a_date_with_two_readings_is_refused_until_the_contract_says_how_to_read_it() -> None:
    text = "name,class,purchase date\na,server,03/04/2026\n"

    [error] = errors_of(text)

    assert error.code == "MSP-CON-013"
    assert "dayfirst" in error.action
    assert read(text, dayfirst=True).assets[0].row.warranty.purchase == dt.date(2026, 4, 3)
    assert read(text, dayfirst=False).assets[0].row.warranty.purchase == dt.date(2026, 3, 4)


def test_rows_of_several_sources_on_one_asset_become_one_with_each_source_kept() -> None:
    text = (
        "name,class,serial,purchase date,warranty until,source\n"
        "srv,server,S1,2024-03-01,2027-02-28,dealer\n"
        ",,s1,2024-02-01,2026-12-31,vendor\n"
    )

    [asset] = read(text).assets

    assert asset.row.name == "srv"
    assert asset.places == ("a.csv, row 2", "a.csv, row 3")
    assert [(source.source, source.warranty_end) for source in asset.sources] == [
        ("dealer", dt.date(2027, 2, 28)),
        ("vendor", dt.date(2026, 12, 31)),
    ]


def test_a_row_without_a_serial_belongs_to_the_rows_of_its_name() -> None:
    text = "name,class,serial,source,warranty until\nsrv,server,S1,dealer,\nSRV,,,vendor,2027-01-01\n"

    [asset] = read(text).assets

    assert asset.row.serial == "S1"
    assert asset.sources == (WarrantySource("vendor", None, dt.date(2027, 1, 1)),)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("a,server,S1,,\nb,server,s1,,\n", "serial s1"),
        ("a,server,,,\nA,server,,,\n", "name A"),
        ("a,server,S1,,\na,server,S2,,\n", "two assets with one name"),
        ("a,server,,T1,\nb,server,,t1,\n", "two assets with one asset tag"),
        ("a,server,,,192.0.2.1\nb,server,,,192.0.2.1/24\n", "two assets with one address"),
    ],
)
def test_two_rows_that_claim_the_same_thing_are_named_both(rows: str, what: str) -> None:
    [error] = errors_of("name,class,serial,asset tag,ip\n" + rows)

    assert error.code == "MSP-CON-014"
    assert what in error.expected
    assert error.found == "a.csv, row 2 and a.csv, row 3"


@pytest.mark.parametrize("hidden", ["\u200b", "\x07", "\u202e"])
def test_a_cell_with_a_character_that_nobody_sees_is_refused(hidden: str) -> None:
    [error] = errors_of(f"name,class\nsrv{hidden}01,server\n")

    assert error.code == "MSP-CON-012"
    assert error.expected.startswith("a.csv, row 2, column 1 (name)")
    assert error.found == "a character that cannot be printed"


def test_a_makers_stock_phrase_is_no_serial() -> None:
    found = read("name,class,serial\na,server,To be filled by O.E.M.\nb,server,To be filled by O.E.M.\n")

    assert [asset.row.serial for asset in found.assets] == ["", ""]


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("name,serial\na,S1\n", "a class"),
        ("serial,class\nS1,server\n", "a name"),
    ],
)
def test_an_asset_that_no_list_completes_is_named_with_what_it_lacks(text: str, lacking: str) -> None:
    [error] = errors_of(text)

    assert error.code == "MSP-CON-012"
    assert error.expected == f"a.csv, row 2 to say {lacking}"


def test_a_site_must_be_said_where_there_are_several() -> None:
    sites = [Site("hq", "Head office"), Site("shop", "Shop")]

    [error] = errors_of("name,class,site\na,server,Shop\nb,server,\n", sites=sites)

    assert "b" not in error.expected
    assert error.expected == "a.csv, row 3 to say a site"
    assert read("name,class\na,server\n", sites=sites, defaults={"site": "shop"}).assets[0].row.site == "shop"


def test_two_columns_for_one_field_have_to_be_chosen_from() -> None:
    text = "Naam;Soort;Type\na;Server;R240\n"

    [error] = errors_of(text)

    assert error.code == "MSP-CON-011"
    assert "Soort and Type" in error.found
    mapped = read(text, mapping={"asset_class": "Soort", "model": "Type"}).assets[0].row
    assert (mapped.asset_class, mapped.model) == ("server", "R240")


@pytest.mark.parametrize("text", ["", "a;b\nc;d\n", "Kleur;Maat\nrood;12\n"])
def test_a_list_without_known_headings_is_refused(text: str) -> None:
    assert [error.code for error in errors_of(text)] == ["MSP-CON-011"]


def test_a_mapped_column_that_is_not_there_is_named() -> None:
    [error] = errors_of("Naam;Soort\na;Server\n", mapping={"serial": "Chassisnummer"})

    assert error.code == "MSP-CON-011"
    assert "Chassisnummer" in error.expected


def test_a_cell_beyond_the_headings_is_an_error_and_not_lost() -> None:
    [error] = errors_of("name,class\na,server,surplus\n")

    assert error.code == "MSP-CON-012"
    assert error.found == "surplus"


def test_json_is_mapped_with_jmespath() -> None:
    data = {"devices": [{"hw": {"sn": "S1"}, "name": "a", "kind": "server", "ok": True}, {"name": "b", "ok": False}]}
    entry = AssetFile("a.json", rows="devices[?ok]", mapping={"serial": "hw.sn", "asset_class": "kind"})

    [asset] = assets.read(lists(entry), {"a.json": json.dumps(data).encode()}).assets

    assert (asset.row.name, asset.row.serial, asset.row.place) == ("a", "S1", "a.json, entry 1")


def test_a_jmespath_that_is_none_is_named() -> None:
    entry = AssetFile("a.json", mapping={"serial": "hw..sn"})

    with pytest.raises(MspErrors) as caught:
        assets.read(lists(entry), {"a.json": b'[{"name": "a"}]'})

    assert [error.code for error in caught.value.errors] == ["MSP-CON-015"]


def test_yaml_rows_know_their_line() -> None:
    text = b"- naam: a\n  soort: server\n- naam: b\n  soort: boot\n"

    with pytest.raises(MspErrors) as caught:
        assets.read(lists(AssetFile("a.yml")), {"a.yml": text})

    assert caught.value.errors[0].expected.startswith("a.yml:3 (asset_class)")


def test_errors_of_several_lists_are_reported_at_once() -> None:
    listing = lists(AssetFile("a.csv"), AssetFile("b.ods"))

    with pytest.raises(MspErrors) as caught:
        assets.read(listing, {"a.csv": b"name,class\na,boat\n", "b.ods": b""})

    assert {error.code for error in caught.value.errors} == {"MSP-CON-010", "MSP-CON-012"}


GONE = MspError("MSP-CON-010", "b.csv", "nothing", "correct the path")


@pytest.mark.parametrize(
    ("entries", "complete", "codes"),
    [
        ([AssetFile("a.csv")], True, ["MSP-CON-012"]),
        ([AssetFile("a.csv"), AssetFile("b.csv")], True, ["MSP-CON-010"]),
        ([AssetFile("a.csv")], False, []),
    ],
)
def test_a_row_is_not_blamed_for_what_a_list_that_cannot_be_read_may_say(
    entries: list[AssetFile], complete: bool, codes: list[str]
) -> None:
    found: list[str] = []
    try:
        assets.read(Lists((Site("hq", "HQ"),), tuple(entries), complete), {"a.csv": b"name\nsrv\n", "b.csv": GONE})
    except MspErrors as error:
        found = [one.code for one in error.errors]

    assert found == codes


ROWS = st.lists(
    st.builds(
        Row,
        place=st.sampled_from(["row 1", "row 2"]),
        name=st.sampled_from(["", "a", "b", "A"]),
        serial=st.sampled_from(["", "S1", "s1", "S2"]),
        asset_class=st.sampled_from([None, "server"]),
        warranty=st.builds(WarrantySource, st.sampled_from(["dealer", "vendor"])),
    ),
    max_size=6,
)


@given(ROWS)
def test_merging_loses_no_row_and_leaves_no_serial_twice(rows: list[Row]) -> None:
    merged, errors = assets.merge(rows)

    assert sum(len(asset.places) for asset in merged) == len(rows)
    serials = [assets.same(asset.row.serial) for asset in merged if asset.row.serial]
    assert len(set(serials)) == len(serials)
    names = [assets.same(asset.row.name) for asset in merged if asset.row.name]
    assert errors or len(set(names)) == len(names)


@given(st.text(alphabet='naam;,\n"1a-/.', max_size=80))
def test_any_list_is_read_or_refused_with_our_codes(text: str) -> None:
    try:
        read("Naam;Soort\n" + text)
    except MspErrors as error:
        assert all(one.code.startswith("MSP-CON-") for one in error.errors)
