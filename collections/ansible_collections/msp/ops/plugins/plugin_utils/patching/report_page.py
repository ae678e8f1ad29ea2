# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a customer stands with patching, in words: as a page and as plain text for a mail, made of the same lines. Pure.

Layout of the page is in report/templates/patch_report.html.j2; this file decides what is said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.patching import progress, standing
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.calendar_page import spoken
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import (
    IN_TIME,
    LATE,
    OWED,
    STATES,
    UNKNOWN,
    WAIVED,
    Item,
    OfAsset,
    Speed,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress import Progress
from ansible_collections.msp.ops.plugins.plugin_utils.patching.standing import Attempt, OfPlan, Standing, Stuck, Wait
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import shown
from ansible_collections.msp.ops.plugins.plugin_utils.report.charts import Part, stacked_bar
from ansible_collections.msp.ops.plugins.plugin_utils.report.document import render
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import WIDTH, columns, wrapped
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import language, zone

# A colour of style.css for each state; the words say the same.
TONE = {IN_TIME: "good", WAIVED: "info", OWED: "warn", LATE: "bad", UNKNOWN: "warn"}
OUTCOME_TONE = {
    states.PATCHED: "good",
    states.OWED: "warn",
    states.REFUSED: "warn",
    states.FAILED: "bad",
    states.LOST: "bad",
    states.ROLLED_BACK: "info",
}
ASSETS, WAITS, ROLLOUTS, SPEED, HISTORY = SECTIONS = ("assets", "waits", "rollouts", "speed", "history")
MOST_ROWS = 250  # of a table; how many more there are is said, and the data file has them
MOST_ITEMS = 4  # of what waits on one machine, or was done in one go
MOST_NAMES = 6
LABEL = 21  # columns of a label in the text
# After every deadline.
NEVER_DUE = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: what it is about, what stands small below, a chip, and lines for each of the cells."""

    name: str
    sub: str
    cells: tuple[tuple[str, ...], ...]
    tone: str = ""
    chip: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A table under its heading. more says how many rows are left out; empty what to say when there are none."""

    key: str
    heading: str
    intro: str
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    more: str
    empty: str

    @property
    def wide(self) -> bool:
        """On a phone its first cells need the whole width."""
        return self.key in (ASSETS, HISTORY)

    def labelled(self, row: Row) -> list[tuple[str, tuple[str, ...]]]:
        """The cells of a row, each with its label."""
        return list(zip(self.labels[1:], row.cells, strict=True))


@dataclass(frozen=True, slots=True)
class Tile:
    value: int
    label: str
    tone: str


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is said, in the customer's language and time zone."""

    f: Formats
    t: Words
    name: str
    contract: Contract | None
    made_by: str
    period: str
    lead: str
    points: tuple[tuple[str, str, str], ...]
    tiles: tuple[Tile, ...]
    chart: Markup
    sections: tuple[Section, ...]
    foot: str


def told(found: Standing, customer: Customer, made_by: str, data: str) -> Told:
    """The customer's standing in words. data is the name of the file that has all of it."""
    f = Formats(language(customer), zone(customer))
    t = Words(f.language)
    tiles = tuple(Tile(number, _state(state, t), TONE[state]) for state, number in found.counts.items())
    return Told(
        f=f,
        t=t,
        name=shown(customer.name),
        contract=customer.contract,
        made_by=shown(made_by),
        period=t("cal.freeze.span", start=f.day(found.since), end=f.day(found.now)),
        lead=_lead(found, t),
        points=tuple(_points(found, t)),
        tiles=tiles,
        chart=stacked_bar([Part(tile.label, tile.value, tile.tone) for tile in tiles], t("prep.bar")),
        sections=tuple(_sections(found, t, f)),
        foot=t("prep.foot", made_by=shown(made_by), date=f.day(found.now), data=data, zone=f.zone.key),
    )


def page(said: Told) -> str:
    """The whole page."""
    return render("patch_report.html.j2", said.f, d=said)


def text(said: Told) -> str:
    """The same as plain text that fits a mail."""
    title = said.t("prep.title", customer=said.name)
    lines = [*wrapped(title), "=" * min(WIDTH, columns(title)), said.period, "", *wrapped(said.lead)]
    lines += [line for _tone, words, who in said.points for line in wrapped(f"{words} {who}".strip(), "- ", "  ")]
    for section in said.sections:
        lines += ["", "", *wrapped(section.heading), "-" * min(WIDTH, columns(section.heading))]
        lines += wrapped(section.intro if section.rows else section.empty)
        for row in section.rows:
            name = f"{row.name} [{row.chip}]" if row.chip else row.name
            lines += ["", *wrapped(name, "* ", "  "), *(wrapped(row.sub, "  ") if row.sub else [])]
            for label, cell in section.labelled(row):
                lines += wrapped("; ".join(cell), f"  {label:<{LABEL}} ") if cell else []
        lines += ["", *wrapped(section.more)] if section.more else []
    lines += ["", "", *wrapped(said.foot)]
    return "\n".join(lines) + "\n"


# In short


def _lead(found: Standing, t: Words) -> str:
    total = sum(found.counts.values())
    return t.count("prep.lead", total, ok=found.counts[IN_TIME]) if total else t("prep.lead.none")


def _points(found: Standing, t: Words) -> Iterator[tuple[str, str, str]]:
    """What needs attention: a colour, how many, and who."""
    for state in (LATE, UNKNOWN, OWED, WAIVED):
        who = [asset.name for asset in found.assets if asset.state == state]
        if who:
            yield TONE[state], t.count(f"prep.point.{state}", len(who)), _some(who, t)
    if found.without:
        yield "warn", t.count("prep.point.without", len(found.without)), _some(found.without, t)


def _sections(found: Standing, t: Words, f: Formats) -> Iterator[Section]:
    several = len(found.plans) > 1
    yield _section(
        ASSETS,
        t,
        (t("prep.asset"), t("prep.waiting"), t("prep.latest"), t("prep.looked")),
        [_asset(asset, t, f) for asset in found.assets],
    )
    by_id = {one.rollout: one for one in found.under_way}
    yield _section(
        WAITS,
        t,
        (t("prep.for"), t("prep.package"), t("prep.machines"), t("prep.latest")),
        [_wait(wait, by_id, t, f) for one in found.plans for wait in one.waits],
    )
    yield _section(
        ROLLOUTS,
        t,
        (t("prep.rollout"), t("prep.rings"), t("prep.for"), t("prep.end"), t("prep.latest")),
        [*(_stuck(one, t) for one in found.stuck), *(_rollout(one, t, f) for one in found.under_way)],
    )
    yield _section(
        SPEED,
        t,
        (t("prep.class"), t("prep.mean"), t("prep.agreed"), t("prep.measured")),
        [_speed(one, name, speed, t, several) for one in found.plans for name, speed in one.compliance.speed.items()],
    )
    history = sorted(found.attempts, key=lambda one: one.name)  # keeps the newest first
    yield _section(
        HISTORY,
        t,
        (t("prep.asset"), t("prep.what"), t("prep.why")),
        [_attempt(one, t, f) for one in history],
    )


def _section(key: str, t: Words, labels: tuple[str, ...], rows: Sequence[Row]) -> Section:
    more = t("prep.more_in_data", n=MOST_ROWS, total=len(rows)) if len(rows) > MOST_ROWS else ""
    # Where no asset has a plan the lead says so, and there is no speed of anything.
    empty = t("prep.lead.none") if key in (ASSETS, SPEED) else t(f"prep.empty.{key}")
    return Section(key, t(f"prep.heading.{key}"), t(f"prep.intro.{key}"), labels, tuple(rows[:MOST_ROWS]), more, empty)


# Its rows


def _asset(asset: OfAsset, t: Words, f: Formats) -> Row:
    deadlines = [item.deadline for item in asset.waiting if item.deadline is not None and item.state != WAIVED]
    deadlines += [asset.owed_by] if asset.owed_by is not None else []
    known = asset.state != UNKNOWN
    latest = (f.moment(min(deadlines)),) if deadlines and known else ()
    looked = (f.moment(asset.scanned),) if asset.scanned is not None else (t("never"),)
    cells = (tuple(_waiting(asset, t, f)), latest, looked)
    return Row(shown(asset.name), "", cells, TONE[asset.state], _state(asset.state, t))


def _waiting(asset: OfAsset, t: Words, f: Formats) -> Iterator[str]:
    if asset.state == UNKNOWN:
        yield t(f"prep.unknown.{asset.unknown.replace(' ', '_')}")
        yield from (shown(words) for words in asset.blind[:MOST_ITEMS])
        if asset.scanned is not None:
            yield t.count("prep.found_before", len(asset.waiting))
        return
    if asset.owed:
        yield _owed(asset.owed, t)
    if not asset.waiting:
        if not asset.owed:
            yield t("prep.nothing")
        return
    yield t.count("prep.updates", len(asset.waiting))
    worst = sorted(
        asset.waiting, key=lambda item: (-STATES.index(item.state), item.deadline or NEVER_DUE, item.package)
    )
    yield from (_item(item, t, f) for item in worst[:MOST_ITEMS])
    if len(worst) > MOST_ITEMS:
        yield t("prep.more", n=len(worst) - MOST_ITEMS)


def _owed(words: Sequence[str], t: Words) -> str:
    return t("prep.owed", what=_some(words, t))


def _item(item: Item, t: Words, f: Formats) -> str:
    what = t("prep.item", package=shown(item.package), before=shown(item.before), after=shown(item.after))
    if item.exclusion is not None and item.state == WAIVED:
        why = t("prep.item.waived", at=f.date(item.exclusion.expires), why=shown(item.exclusion.reason))
        return f"{what}, {why}"
    if item.deadline is None:
        return what
    return f"{what}, " + t("prep.item.late" if item.state == LATE else "prep.item.in_time", at=f.moment(item.deadline))


def _wait(wait: Wait, under_way: dict[str, Progress], t: Words, f: Formats) -> Row:
    name = t(f"prep.wait.{wait.kind.replace(' ', '_')}")
    more = [t(f"cal.class.{wait.patch_class}")]
    if wait.kind == standing.IN_ROLLOUT:
        more.append(progress.waits_for(under_way[wait.rollout], t, f.moment))
    elif wait.until is not None:
        more.append(t("prep.until", at=f.moment(wait.until)))
    more += [shown(words) for words in wait.what[:MOST_ITEMS]]
    latest = (f.moment(wait.deadline),) if wait.deadline is not None else ()
    return Row(name, "; ".join(more), ((_counted(wait.updates, t),), (_counted(wait.assets, t),), latest))


def _rollout(one: Progress, t: Words, f: Formats) -> Row:
    rings = tuple(
        f"{shown(ring.name)}: {t(f'prog.state.{ring.state}')}, {progress.by_state(ring.hosts, t)}" for ring in one.rings
    )
    waits_for = [progress.waits_for(one, t, f.moment)]
    waits_for += [f"{shown(host.host)}: {progress.host_state(host.state, t)}" for host in one.hosts[:MOST_ITEMS]]
    end = f.moment(one.end) if one.end is not None else t("prep.end.unknown")
    return Row(
        t(f"cal.class.{one.patch_class}"),
        one.rollout,
        (rings, tuple(waits_for), (end,), (f.moment(one.deadline),)),
        "warn" if one.side is not None else "info",
        progress.state_of(one, t),
    )


def _stuck(one: Stuck, t: Words) -> Row:
    cells = ((), (t("prep.stuck"), shown(one.why)), (t("prep.end.unknown"),), ())
    return Row(t(f"cal.class.{one.patch_class}"), one.rollout, cells, "bad", t("prog.side.halted"))


def _speed(one: OfPlan, name: str, speed: Speed, t: Words, several: bool) -> Row:
    total = speed.measured + speed.unknown
    nothing = t("prep.mean.unknown" if total else "prep.mean.none")
    mean = nothing if speed.mean is None else about(speed.mean, t)
    measured = [t.count("prep.updates", total)]
    measured += [t("prep.speed.unknown", n=speed.unknown)] if speed.unknown else []
    agreed = t("prep.within", time=spoken(one.plan.classes[name].deadline, t))
    return Row(t(f"cal.class.{name}"), one.plan.name if several else "", ((mean,), (agreed,), tuple(measured)))


def about(time: dt.timedelta, t: Words) -> str:
    """A length of time in words that a person would use: in days from two days on, in hours from two hours on."""
    if time >= dt.timedelta(days=2):
        return spoken(dt.timedelta(days=round(time / dt.timedelta(days=1))), t)
    if time >= dt.timedelta(hours=2):
        return spoken(dt.timedelta(hours=round(time / dt.timedelta(hours=1))), t)
    return spoken(dt.timedelta(minutes=round(time / dt.timedelta(minutes=1))), t)


def _attempt(one: Attempt, t: Words, f: Formats) -> Row:
    unchanged = t("prep.changes.unknown" if one.outcome == states.LOST else "prep.unchanged")
    what = [t.count("prep.packages", len(one.changes))] if one.changes else [unchanged]
    what += [_change(change, t) for change in one.changes[:MOST_ITEMS]]
    what += [t("prep.more", n=len(one.changes) - MOST_ITEMS)] if len(one.changes) > MOST_ITEMS else []
    what += [t("prep.rebooted")] if one.rebooted else []
    what += [_owed(one.owed, t)] if one.owed else []
    what += [t("prep.held", what=_some(one.held, t))] if one.held else []
    why = (shown(one.reason),) if one.reason else ()
    return Row(
        shown(one.name),
        f.moment(one.at),
        (tuple(what), why),
        OUTCOME_TONE[one.outcome],
        progress.host_state(one.outcome, t),
    )


def _change(change: tuple[str, str, str], t: Words) -> str:
    package, before, after = change
    return t(
        "prep.item",
        package=shown(package.partition(":")[0]),
        before=shown(before) or t("prep.new"),
        after=shown(after),
    )


def _state(state: str, t: Words) -> str:
    return t(f"prep.state.{state.replace(' ', '_')}")


def _counted(names: Sequence[str], t: Words) -> str:
    return t("prep.counted", n=len(names), names=_some(names, t))


def _some(names: Iterable[str], t: Words) -> str:
    """Names in a sentence; of many the first ones, and how many more."""
    found = [shown(name) for name in names]
    more = [t("prep.more", n=len(found) - MOST_NAMES)] if len(found) > MOST_NAMES else []
    return ", ".join(found[:MOST_NAMES] + more)
