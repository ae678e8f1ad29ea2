# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of endoflife.date on the disk."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.standards import end_of_life_file

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
PRODUCT = {"name": "nginx", "label": "nginx", "releases": [{"name": "1.26", "eolFrom": "2025-04-23", "isEol": True}]}
TEXT = json.dumps({"generated_at": "2026-11-20T00:00:00+00:00", "result": [PRODUCT], "total": 1})


def test_a_file_is_read_as_it_is_and_packed(tmp_path: Path) -> None:
    plain, packed = tmp_path / "full.json", tmp_path / "full.json.gz"
    plain.write_text(TEXT)
    packed.write_bytes(gzip.compress(TEXT.encode()))

    for place in (plain, packed):
        digest = hashlib.sha256(place.read_bytes()).hexdigest()
        assert list(end_of_life_file.read(str(place), NOW, sha256=digest).products) == ["nginx"]


def test_one_that_is_not_there_or_another_than_was_meant_or_broken_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "full.json"
    codes = []
    for text, checksum in ((None, ""), (TEXT, "0" * 64), (TEXT[:-9], ""), ('{"result": []}', "")):
        if text is not None:
            place.write_text(text)
        with pytest.raises(MspError) as caught:
            end_of_life_file.read(str(place), NOW, sha256=checksum)
        codes.append(caught.value.code)

    assert codes == ["MSP-STD-106", "MSP-STD-107", "MSP-STD-108", "MSP-STD-108"]


def test_a_file_without_a_date_needs_one(tmp_path: Path) -> None:
    place = tmp_path / "nginx.json"
    place.write_text(json.dumps({"result": PRODUCT}))

    found = end_of_life_file.read(str(place), NOW, date=dt.date(2026, 11, 1))

    assert found.date == dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    with pytest.raises(MspError):
        end_of_life_file.read(str(place), NOW)
