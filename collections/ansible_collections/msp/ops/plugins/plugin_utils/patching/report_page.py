# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a customer stands with patching, in words: as a page and as plain text for a mail, made of the same lines. Pure.

This file decides what is said; report/standing_page.py has the page and its parts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
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
from ansible_collections.msp.ops.plugins.plugin_utils.report import standing_page
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown
from ansible_collections.msp.ops.plugins.plugin_utils.report.standing_page import (
    MOST_ROWS,
    Row,
    Section,
    Tile,
    Told,
    counted,
    left_out,
    some,
)
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
MOST_ITEMS = 4  # of what waits on one machine, or was done in one go
# After every deadline.
NEVER_DUE = dt.datetime.max.replace(tzinfo=dt.UTC)


def told(found: Standing, customer: Customer, made_by: str, data: str) -> Told:
    """The customer's standing in words. data is the name of the file that has all of it."""
    f = Formats(language(customer), zone(customer))
    t = Words(f.language)
    return standing_page.told(
        customer,
        f,
        t,
        title=t("prep.title", customer=shown(customer.name)),
        kind=t("prep.kind"),
        span=(found.since, found.now),
        lead=_lead(found, t),
        points=_points(found, t),
        tiles=(Tile(number, _state(state, t), TONE[state]) for state, number in found.counts.items()),
        sections=_sections(found, t, f),
        made_by=made_by,
        data=data,
    )


# In short


def _lead(found: Standing, t: Words) -> str:
    total = sum(found.counts.values())
    return t.count("prep.lead", total, ok=found.counts[IN_TIME]) if total else t("prep.lead.none")


def _points(found: Standing, t: Words) -> Iterator[tuple[str, str, str]]:
    """What needs attention: a colour, how many, and who."""
    for state in (LATE, UNKNOWN, OWED, WAIVED):
        who = [asset.name for asset in found.assets if asset.state == state]
        if who:
            yield TONE[state], t.count(f"prep.point.{state}", len(who)), some(who, t)
    if found.without:
        yield "warn", t.count("prep.point.without", len(found.without)), some(found.without, t)


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
    # Where no asset has a plan the lead says so, and there is no speed of anything.
    empty = t("prep.lead.none") if key in (ASSETS, SPEED) else t(f"prep.empty.{key}")
    return Section(
        key,
        t(f"prep.heading.{key}"),
        t(f"prep.intro.{key}"),
        labels,
        tuple(rows[:MOST_ROWS]),
        left_out(rows, t),
        empty,
        wide=key in (ASSETS, HISTORY),
    )


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
    return t("prep.owed", what=some(words, t))


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
    return Row(name, "; ".join(more), ((counted(wait.updates, t),), (counted(wait.assets, t),), latest))


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
    what += [t("prep.held", what=some(one.held, t))] if one.held else []
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
