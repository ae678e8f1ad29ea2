# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a customer stands with something, as it is shown: in short, in numbers and in tables; a page and a text. Pure.

What is said is decided by who says it (patching/report_page.py, standards/report_page.py); the page's layout is in
templates/standing_report.html.j2. The text has the same lines, and fits a mail.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.report.charts import Part, stacked_bar
from ansible_collections.msp.ops.plugins.plugin_utils.report.document import render
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import WIDTH, columns, mail, shown, wrapped

MOST_ROWS = 250  # of a table; how many more there are is said, and the data file has them
MOST_NAMES = 6
LABEL = 21  # columns of a label in the text
NO_CHART = Markup("")


@dataclass(frozen=True, slots=True)
class Item:
    """One of several things in a cell: what it is, a chip, and pairs of a label and a value."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    tone: str = ""
    chip: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: what it is about, what stands small below, a chip, and lines for each of the cells.

    items stand in the first cell after its lines, chart in the section's drawn one before them.
    """

    name: str
    sub: str
    cells: tuple[tuple[str, ...], ...]
    tone: str = ""
    chip: str = ""
    items: tuple[Item, ...] = ()
    chart: Markup = NO_CHART


@dataclass(frozen=True, slots=True)
class Section:
    """A table under its heading. more says what is not in it; empty what to say when there are no rows.

    chart is one of the whole section, caption what it shows; drawn is the label of the cells that have one each. wide:
    on a phone its first cells need the whole width.
    """

    key: str
    heading: str
    intro: str
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    more: str
    empty: str
    chart: Markup = NO_CHART
    caption: str = ""
    drawn: str = ""
    wide: bool = False

    def labelled(self, row: Row) -> list[tuple[str, tuple[str, ...]]]:
        """The cells of a row, each with its label."""
        return list(zip(self.labels[1:], row.cells, strict=True))


@dataclass(frozen=True, slots=True)
class Tile:
    """How many assets are what, in a colour."""

    value: int
    label: str
    tone: str


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is said, in the customer's language and time zone."""

    f: Formats
    t: Words
    title: str
    kind: str
    name: str
    contract: Contract | None
    made_by: str
    period: str
    lead: str
    points: tuple[tuple[str, str, str], ...]
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    foot: str
    counting: str

    @property
    def chart(self) -> Markup:
        """The tiles as a bar, of what counting says."""
        return stacked_bar([Part(tile.label, tile.value, tile.tone) for tile in self.tiles], self.counting)


def told(
    customer: Customer,
    f: Formats,
    t: Words,
    *,
    title: str,
    kind: str,
    span: tuple[dt.datetime, dt.datetime],
    lead: str,
    points: Iterable[tuple[str, str, str]],
    tiles: Iterable[Tile],
    sections: Iterable[Section],
    made_by: str,
    data: str,
    counting: str = "",
) -> Told:
    """What is said of a customer over a span of time. data is the name of the file that has all of it.

    counting is what the tiles count, where that is not the customer's machines.
    """
    begin, end = (f.day(at) for at in span)
    return Told(
        f=f,
        t=t,
        title=title,
        kind=kind,
        name=shown(customer.name),
        contract=customer.contract,
        made_by=shown(made_by),
        period=t("cal.freeze.span", start=begin, end=end),
        lead=lead,
        points=tuple(points),
        tiles=tuple(tiles),
        sections=tuple(sections),
        foot=t("prep.foot", made_by=shown(made_by), date=end, data=data, zone=f.zone.key),
        counting=counting or t("prep.bar"),
    )


def page(said: Told) -> str:
    """The whole page."""
    return render("standing_report.html.j2", said.f, d=said)


def text(said: Told) -> str:
    """The same as plain text that fits a mail."""
    lines = [*wrapped(said.title), "=" * min(WIDTH, columns(said.title)), said.period, "", *wrapped(said.lead)]
    lines += [line for _tone, words, who in said.points for line in wrapped(f"{words} {who}".strip(), "- ", "  ")]
    for section in said.sections:
        lines += ["", "", *wrapped(section.heading), "-" * min(WIDTH, columns(section.heading))]
        lines += wrapped(section.intro) if section.rows or section.chart else []
        lines += wrapped(section.caption) if section.chart else []
        lines += [] if section.rows else wrapped(section.empty)
        for row in section.rows:
            lines += _row_lines(section, row)
        lines += ["", *wrapped(section.more)] if section.more else []
    lines += ["", "", *wrapped(said.foot)]
    return mail(lines)


def _row_lines(section: Section, row: Row) -> Iterator[str]:
    yield ""
    yield from wrapped(_with_chip(row.name, row.chip), "* ", "  ")
    if row.sub:
        yield from wrapped(row.sub, "  ")
    for place, (label, cell) in enumerate(section.labelled(row)):
        if cell:
            yield from wrapped("; ".join(cell), f"  {label:<{LABEL}} ")
        for item in row.items if place == 0 else ():
            yield from wrapped(_with_chip(item.name, item.chip), "  - ", "    ")
            for name, value in item.pairs:
                yield from wrapped(value, f"    {name:<{LABEL - 2}} ")


def _with_chip(name: str, chip: str) -> str:
    return f"{name} [{chip}]" if chip else name


# Small words


def left_out(rows: Sequence[Row], t: Words) -> str:
    """What to say of the rows for which a table has no room; empty where it has."""
    return t("prep.more_in_data", n=MOST_ROWS, total=len(rows)) if len(rows) > MOST_ROWS else ""


def counted(names: Sequence[str], t: Words) -> str:
    """How many, and who."""
    return t("prep.counted", n=len(names), names=some(names, t))


def some(names: Iterable[str], t: Words) -> str:
    """Names in a sentence; of many the first ones, and how many more."""
    found = [shown(name) for name in names]
    more = [t("prep.more", n=len(found) - MOST_NAMES)] if len(found) > MOST_NAMES else []
    return ", ".join(found[:MOST_NAMES] + more)
