# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dutch and English headings and class words, and cells that say nothing."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract import columns
from ansible_collections.msp.ops.plugins.plugin_utils.register import names


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Serienummer", "serial"),
        ("Service Tag", "serial"),
        ("Aanschafdatum", "purchase"),
        ("Purchase date", "purchase"),
        ("Garantie t/m", "warranty_end"),
        ("GARANTIE TOT:", "warranty_end"),
        ("Warranty until", "warranty_end"),
        ("IP-adres", "address"),
        ("MAC Address", "mac"),
        ("Merk", "vendor"),
        ("Soort", "asset_class"),
        ("Bron", "source"),
        ("Locatie", "site"),
        ("asset_tag", "asset_tag"),
        ("Kleur", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_heading_names_a_field_or_nothing(heading: object, field: str | None) -> None:
    assert columns.field_of(heading) == field


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("Privé", ("private", False)),
        ("Laptop", ("workstation", False)),
        ("Virtuele server", ("server", True)),
        ("Access Point", ("network", False)),
        ("ship", None),
    ],
)
def test_a_word_names_a_class_or_nothing(word: str, found: object) -> None:
    assert columns.class_of(word) == found


@pytest.mark.parametrize("name", names.ASSET_CLASSES)
def test_every_class_is_named_by_its_own_word(name: str) -> None:
    assert columns.class_of(name) == (name, False)


def test_no_heading_names_two_fields() -> None:
    said = [(columns.folded(word), field) for field in columns.FIELDS for word in columns.headings(field)]

    assert len({word for word, _field in said}) == len(said)


@pytest.mark.parametrize("cell", ["", "-", "?", "N.v.t.", "onbekend", "n/a", None])
def test_a_cell_that_stands_for_nothing_says_nothing(cell: object) -> None:
    assert columns.says_nothing(cell)


@pytest.mark.parametrize("cell", ["A1", 0, False, "株式会社", "none-01"])
def test_a_cell_with_something_in_it_says_something(cell: object) -> None:
    assert not columns.says_nothing(cell)
