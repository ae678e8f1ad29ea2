# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calendar of a plan in words: as a page and as plain text for a mail, both made of the same lines. Pure.

Layout of the page is in report/templates/patch_calendar.html.j2; this file decides what is said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.patching import plan as plans
from ansible_collections.msp.ops.plugins.plugin_utils.patching.calendar import Calendar, ClockChange, Taken, Visit
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import ClassRule, Exclusion, Freeze, Ring
from ansible_collections.msp.ops.plugins.plugin_utils.patching.presets import bound_of
from ansible_collections.msp.ops.plugins.plugin_utils.report.document import render
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import WIDTH, columns, mail, shown, wrapped
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import language

WINDOW, BATCH, FREEZE, CLOCK = KINDS = ("window", "batch", "freeze", "clock")
# A colour of style.css for each kind of line; the words say the same.
TONE = {WINDOW: "info", BATCH: "ink", FREEZE: "warn", CLOCK: "quiet"}
MOST_ASSETS = 12  # of a ring, by name; how many more there are is said
LABEL = 21  # columns of a label in the text
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of one of the small tables: what it is about, what stands small below, and cells under the headings."""

    name: str
    sub: str
    cells: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A small table. first is the heading of the rows' names, labels are those of their cells."""

    key: str
    heading: str
    intro: str
    first: str
    labels: list[str]
    rows: tuple[Row, ...]

    def labelled(self, row: Row) -> list[tuple[str, tuple[str, ...]]]:
        """The cells of a row, each with its label."""
        return list(zip(self.labels, row.cells, strict=True))


@dataclass(frozen=True, slots=True)
class Line:
    """One thing on one day of the calendar. time is words. begins: it is the first of its day."""

    at: dt.datetime
    kind: str
    day: str
    time: str
    what: str
    facts: tuple[str, ...]
    begins: bool = True

    @property
    def tone(self) -> str:
        return TONE[self.kind]


@dataclass(frozen=True, slots=True)
class Month:
    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is said, in the customer's language and the plan's time zone."""

    f: Formats
    t: Words
    name: str
    contract: Contract | None
    made_by: str
    period: str
    lead: str
    points: tuple[str, ...]
    tables: tuple[Table, ...]
    months: tuple[Month, ...]
    foot: str


def told(calendar: Calendar, customer: Customer, made_by: str, now: dt.datetime) -> Told:
    """The calendar in words."""
    plan = calendar.plan
    f = Formats(language(customer), plan.zone)
    t = Words(f.language)
    lines = sorted(_lines(calendar, t, f), key=lambda line: (line.at, KINDS.index(line.kind)))
    by_month = groupby(lines, key=lambda line: f.long_month(line.at.astimezone(f.zone).date()))
    return Told(
        f=f,
        t=t,
        name=shown(customer.name),
        contract=customer.contract,
        made_by=shown(made_by),
        period=t("cal.freeze.span", start=f.day(calendar.start), end=f.day(calendar.end)),
        lead=_lead(calendar, t, f),
        points=(
            t(f"cal.approval.{_approval(calendar)}"),
            t(f"cal.reboot.{plan.reboot}"),
            t(f"cal.rollback.{plan.rollback}"),
        ),
        tables=tuple(table for table in _tables(calendar, t, f, now) if table.rows),
        months=tuple(Month(name, tuple(_beginning(found))) for name, found in by_month),
        foot=t("cal.foot", made_by=shown(made_by), date=f.day(now), plan=plan.name, zone=plan.zone.key),
    )


def page(said: Told) -> str:
    """The whole page."""
    return render("patch_calendar.html.j2", said.f, d=said)


def text(said: Told) -> str:
    """The same as plain text that fits a mail."""
    t = said.t
    title = t("cal.title", customer=said.name)
    lines = [*wrapped(title), "=" * min(WIDTH, columns(title)), "", *wrapped(said.lead)]
    lines += [line for point in said.points for line in wrapped(point, "- ", "  ")]
    for table in said.tables:
        lines += [*_heading(table.heading), *wrapped(table.intro)]
        for row in table.rows:
            lines += ["", *wrapped(row.name, "* ", "  "), *(wrapped(row.sub, "  ") if row.sub else [])]
            for label, cell in table.labelled(row):
                lines += wrapped("; ".join(cell), f"  {label:<{LABEL}} ") if cell else []
    lines += [*_heading(t("cal.calendar")), *wrapped(t("cal.calendar.intro"))]
    for month in said.months:
        lines += ["", month.name, "-" * columns(month.name)]
        for day, found in groupby(month.lines, key=lambda line: line.day):
            lines += ["", day]
            for line in found:
                lines += wrapped(line.what, f"  {line.time:<13} ")
                lines += [words for fact in line.facts for words in wrapped(fact, " " * 16)]
    lines += ["", "", *wrapped(said.foot)]
    return mail(lines)


def _heading(words: str) -> list[str]:
    return ["", "", *wrapped(words), "-" * min(WIDTH, columns(words))]


def _approval(calendar: Calendar) -> str:
    automatic = calendar.plan.automatic
    return "security" if automatic == plans.ONLY_SECURITY else "all" if automatic else "none"


def _lead(calendar: Calendar, t: Words, f: Formats) -> str:
    if not calendar.visits:
        return t("cal.lead.none")
    first = max(calendar.visits[0].opening.start, calendar.start)
    return t.count("cal.lead", len(calendar.visits), first=f"{f.weekday(_date(first, f))} {f.time(first)}")


def _tables(calendar: Calendar, t: Words, f: Formats, now: dt.datetime) -> Iterator[Table]:
    plan = calendar.plan
    yield _table(
        "rules",
        t,
        (t("cal.class"), t("cal.earliest"), t("cal.deadline"), t("cal.when")),
        (_rule(rule, calendar, t) for rule in plan.classes.values()),
    )
    yield _table(
        "rings",
        t,
        (t("cal.ring"), t("cal.ring.assets"), t("cal.soak")),
        (_ring(ring, calendar, t, last=ring is plan.rings[-1]) for ring in plan.rings),
    )
    yield _table(
        "freezes",
        t,
        (t("cal.head.period"), t("cal.reason"), t("cal.class.emergency")),
        (_freeze(freeze, t, f) for freeze in calendar.freezes),
    )
    yield _table(
        "exclusions",
        t,
        (t("cal.package"), t("cal.reason"), t("cal.owner"), t("cal.until")),
        (_exclusion(one, t, f, now) for one in plan.exclusions),
    )


def _table(key: str, t: Words, labels: tuple[str, ...], rows: Iterable[Row]) -> Table:
    """labels: of the name first, then of the cells."""
    return Table(key, t(f"cal.heading.{key}"), t(f"cal.intro.{key}"), labels[0], list(labels[1:]), tuple(rows))


def _rule(rule: ClassRule, calendar: Calendar, t: Words) -> Row:
    earliest = [t("cal.after", time=spoken(rule.deferral, t)) if rule.deferral else t("cal.at_once")]
    earliest += [t("cal.together")] if rule.batch else []
    latest = [t("cal.within", time=spoken(rule.deadline, t))]
    bound = bound_of(calendar.plan.preset, rule.name)
    if bound is not None and bound.deadline == rule.deadline:
        latest.append(t(f"cal.preset.{calendar.plan.preset}"))
    when = t("cal.any_time") if rule.any_time else t("cal.in_windows", windows=", ".join(rule.windows))
    return Row(t(f"cal.class.{rule.name}"), t(f"cal.about.{rule.name}"), (tuple(earliest), tuple(latest), (when,)))


def _ring(ring: Ring, calendar: Calendar, t: Words, *, last: bool) -> Row:
    members = calendar.division.rings[ring.name]
    names = sorted(shown(member.name) for member in members)[:MOST_ASSETS]
    more = [t("cal.ring.more", n=len(members) - MOST_ASSETS)] if len(members) > MOST_ASSETS else []
    assets = ", ".join(names + more) or t("cal.ring.nobody")
    return Row(ring.name, "", ((assets,), (t("cal.soak.none"),) if last else tuple(_soak(ring, t))))


def _soak(ring: Ring, t: Words) -> Iterator[str]:
    yield spoken(ring.soak, t) if ring.soak else t("cal.soak.none")
    if ring.emergency_soak != ring.soak:
        yield t("cal.soak.emergency", time=spoken(ring.emergency_soak, t))


def _freeze(freeze: Freeze, t: Words, f: Formats) -> Row:
    span = t("cal.freeze.span", start=f.moment(freeze.start), end=f.moment(freeze.end))
    emergency = t("cal.freeze.emergency" if freeze.emergency else "cal.freeze.nothing")
    return Row(span, "", ((shown(freeze.reason),), (emergency,)))


def _exclusion(one: Exclusion, t: Words, f: Formats, now: dt.datetime) -> Row:
    until = [f.date(one.expires)] + ([t("cal.expired")] if one.expires < _date(now, f) else [])
    assets = ", ".join(shown(asset) for asset in one.assets) or t("cal.everywhere")
    return Row(one.package, assets, ((shown(one.reason),), (shown(one.owner),), tuple(until)))


def _lines(calendar: Calendar, t: Words, f: Formats) -> Iterator[Line]:
    def line(at: dt.datetime, kind: str, what: str, facts: Iterable[str] = (), time: str = "") -> Line:
        at = max(at, calendar.start)
        return Line(at, kind, f.weekday(_date(at, f)), time or f.time(at), what, tuple(facts))

    for visit in calendar.visits:
        yield line(visit.opening.start, WINDOW, *_visit(visit, t, f))
    for taken in calendar.batches:
        yield line(taken.at, BATCH, _taken(taken, t))
    for freeze in calendar.freezes:
        yield line(freeze.start, FREEZE, t("cal.freeze.from", reason=shown(freeze.reason)), _held(freeze, t))
        if freeze.end < calendar.end:
            yield line(freeze.end, FREEZE, t("cal.freeze.until"))
    for change in calendar.clock_changes:
        yield line(change.at, CLOCK, _clock(change, t))


def _beginning(lines: Iterable[Line]) -> Iterator[Line]:
    """The same lines, each knowing whether it is the first of its day."""
    before = ""
    for line in lines:
        yield replace(line, begins=line.day != before)
        before = line.day


def _visit(visit: Visit, t: Words, f: Formats) -> tuple[str, tuple[str, ...], str]:
    """What stands for a window: its names, what it may be used for and when it closes, and from when to when it is."""
    one = visit.opening
    uses = tuple(
        t(
            "cal.use.due" if use.due else "cal.use.open",
            **({"rings": ", ".join(use.rings)} if use.due else {}),
            name=t(f"cal.class.{use.patch_class}"),
        )
        for use in visit.uses
    )
    # Its end is the next morning mostly, and is told with its date only where it is further away.
    end = f.time(one.end) if one.end - one.start < _DAY else f.moment(one.end)
    closes = (t("cal.closes", time=f.time(one.closes)),) if one.closes < one.end else ()
    return ", ".join(one.windows), (*uses, *closes), f"{f.time(one.start)}–{end}"


def _taken(taken: Taken, t: Words) -> str:
    return t("cal.batch", names=", ".join(t(f"cal.class.{name}") for name in taken.classes))


def _held(freeze: Freeze, t: Words) -> Iterator[str]:
    yield t("cal.freeze.emergency" if freeze.emergency else "cal.freeze.nothing")


def _clock(change: ClockChange, t: Words) -> str:
    forward = change.by > dt.timedelta(0)
    return t("cal.clock.forward" if forward else "cal.clock.back", time=spoken(abs(change.by), t))


def spoken(value: dt.timedelta, t: Words) -> str:
    """A duration in words, in the largest unit that is exact from two on: 14 days, 36 hours, 1 hour, 45 minutes."""
    minutes = int(value / dt.timedelta(minutes=1))
    if minutes % 1440 == 0 and minutes >= 2 * 1440:
        return t.count("cal.days", minutes // 1440)
    if minutes % 60 == 0 and minutes:
        return t.count("cal.hours", minutes // 60)
    return t.count("cal.minutes", minutes)


def _date(moment: dt.datetime, f: Formats) -> dt.date:
    return moment.astimezone(f.zone).date()
