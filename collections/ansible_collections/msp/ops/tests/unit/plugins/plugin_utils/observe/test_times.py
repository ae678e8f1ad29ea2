# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moments of directories and device managers, against cases computed by hand."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.observe import times

# hypothesis wants its bounds without a zone
EARLIEST, LATEST = (dt.datetime.fromisoformat(text) for text in ("1971-01-01", "8999-12-31"))
UNIX_EPOCH = 116444736000000000  # 134774 days after 1601-01-01, in 100 ns


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        # 2026-03-01 is 20513 days after 1970-01-01; 09:30 is 34200 seconds.
        (UNIX_EPOCH + (20513 * 86400 + 34200) * 10**7, utc(2026, 3, 1, 9, 30)),
        (UNIX_EPOCH + (20513 * 86400) * 10**7 + 15, utc(2026, 3, 1, 0, 0, 0, 1)),
        # 1555526400 seconds after 1970: 18003 days and 67200 seconds.
        (132000000000000000, utc(2019, 4, 17, 18, 40)),
        (0, None),
        (-1, None),
        (0x7FFFFFFFFFFFFFFF, None),
        (UNIX_EPOCH, None),  # no computer logged on in 1970
        (9000000000000000000, None),  # the year 30120
    ],
)
def test_a_filetime_is_tens_of_millionths_since_1601(number: int, expected: dt.datetime | None) -> None:
    assert times.filetime(number) == expected
    assert times.moment(str(number)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260301093000Z", utc(2026, 3, 1, 9, 30)),
        ("20260301093000.0Z", utc(2026, 3, 1, 9, 30)),
        ("202603010930Z", utc(2026, 3, 1, 9, 30)),
        ("2026030109Z", utc(2026, 3, 1, 9)),
        ("20260301103000+0100", utc(2026, 3, 1, 9, 30)),
        ("20260301103000.5+01", utc(2026, 3, 1, 9, 30)),
        ("2026-03-01T09:30:00.1234567Z", utc(2026, 3, 1, 9, 30, 0, 123456)),
        ("2026-03-01T10:30:00+01:00", utc(2026, 3, 1, 9, 30)),
        ("2026-03-01 09:30:00.1234567", utc(2026, 3, 1, 9, 30, 0, 123456)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59.9999999Z", None),
        ("9999-12-31T23:59:59-05:00", None),
        ("1/1/1601 1:00:00 AM", None),
        ("", None),
        ("  ", None),
    ],
)
def test_what_directories_and_graph_write_is_read(text: str, expected: dt.datetime | None) -> None:
    assert times.moment(text) == expected


@pytest.mark.parametrize(
    ("text", "day_first", "expected"),
    [
        ("3/4/2026 9:05:07 PM", False, utc(2026, 3, 4, 21, 5, 7)),
        ("3/4/2026 12:05:07 AM", False, utc(2026, 3, 4, 0, 5, 7)),
        ("3/4/2026 12:05:07\u202fPM", True, utc(2026, 4, 3, 12, 5, 7)),
        ("3-4-2026 21:05:07", True, utc(2026, 4, 3, 21, 5, 7)),
        ("03.04.2026 21:05", True, utc(2026, 4, 3, 21, 5)),
        ("03.04.2026", True, utc(2026, 4, 3)),
        ("4/4/2026", None, utc(2026, 4, 4)),
    ],
)
def test_a_date_in_the_style_of_a_country_is_read(text: str, day_first: bool | None, expected: dt.datetime) -> None:
    assert times.moment(text, day_first) == expected


@pytest.mark.parametrize("text", ["3/4/2026", "31/31/2026", "yesterday", "20261301000000Z", "3/4/2026 13:00 PM"])
def test_what_is_no_moment_or_could_be_two_is_unreadable(text: str) -> None:
    with pytest.raises(times.Unreadable):
        times.moment(text)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["3/4/2026", "13/4/2026 10:00:00"], True),
        (["3/4/2026", "4/13/2026 10:00:00 AM"], False),
        (["3-4-2026"], True),
        (["3.4.2026"], True),
        (["3/4/2026", "4/3/2026"], None),
        (["13/4/2026", "4/13/2026"], None),
        (["never", ""], None),
    ],
)
def test_the_dates_of_one_file_show_which_number_is_the_day(texts: list[str], expected: bool | None) -> None:
    assert times.day_first(texts) is expected


@given(st.datetimes(EARLIEST, LATEST, timezones=st.just(dt.UTC)))
def test_every_moment_survives_the_way_to_a_filetime_and_back(moment: dt.datetime) -> None:
    since = moment - dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
    number = (since.days * 86400 + since.seconds) * 10**7 + since.microseconds * 10

    assert times.moment(str(number)) == moment
    assert times.moment(moment.isoformat()) == moment


@given(st.text() | st.from_regex(r"[0-9:./TZ+-]{1,30}", fullmatch=True), st.none() | st.booleans())
def test_any_text_is_a_moment_never_or_unreadable(text: str, day_first: bool | None) -> None:
    try:
        found = times.moment(text, day_first)
    except times.Unreadable:
        return
    assert found is None or found.utcoffset() == dt.timedelta(0)
