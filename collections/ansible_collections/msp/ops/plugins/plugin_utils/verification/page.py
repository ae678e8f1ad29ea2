# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verification as a page: each statement in words, with the numbers of the evidence rows behind it. Pure.

Layout is in report/templates/verification.html.j2; this file decides what is said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ansible_collections.msp.ops.plugins.plugin_utils.contract import status
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.report import charts
from ansible_collections.msp.ops.plugins.plugin_utils.report.document import render
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.verification import compare
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import Compared, Proof
from ansible_collections.msp.ops.plugins.plugin_utils.verification.questions import Question
from ansible_collections.msp.ops.plugins.plugin_utils.verification.unlisted import Thing
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification

# A colour of style.css for each outcome; the chip says the same in words.
STATE_TONE = {
    compare.PRESENT: "good",
    compare.DIFFERS: "warn",
    compare.SEEN: "info",
    compare.NOT_AUDITED: "quiet",
    compare.ABSENT: "bad",
}
WARRANTY_TONE = {
    status.WARRANTY_IN: "good",
    status.WARRANTY_ENDING: "warn",
    status.WARRANTY_EXPIRED: "bad",
    status.WARRANTY_UNKNOWN: "quiet",
}
SUPPORT_TONE = {
    compare.SUPPORTED: "good",
    compare.SUPPORT_ENDING: "warn",
    compare.SUPPORT_ENDED: "bad",
    compare.SUPPORT_UNKNOWN: "quiet",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One evidence row with the number it has on this page."""

    number: int
    subject: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Tile:
    value: int
    label: str
    tone: str
    target: str


@dataclass(frozen=True, slots=True)
class AssetLine:
    """One contracted asset as the page shows it."""

    one: Compared
    tone: str
    kind: str
    promised: tuple[tuple[str, str], ...]
    found: tuple[str, ...]
    references: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WarrantyLine:
    one: Compared
    tone: str
    remaining: str
    sources: tuple[str, ...]
    track: Markup


@dataclass(frozen=True, slots=True)
class ThingLine:
    thing: Thing
    made_by: str
    places: tuple[str, ...]
    references: tuple[int, ...]


class Numbering:
    """Gives every evidence row its number, in the order of the page."""

    def __init__(self) -> None:
        self.references: list[Reference] = []

    def add(self, subject: str, proofs: Sequence[Proof]) -> tuple[int, ...]:
        first = len(self.references) + 1
        self.references += [Reference(first + i, subject, proof) for i, proof in enumerate(proofs)]
        return tuple(range(first, first + len(proofs)))


def page(verification: Verification, sheet_id: str) -> str:
    """The whole page in the customer's language and time zone."""
    f = Formats(verification.language, verification.zone)
    t = Words(verification.language)
    numbers = Numbering()
    assets = [_asset_line(one, t, f, numbers) for one in sorted(verification.compared, key=_urgency)]
    things = [_thing_line(thing, numbers) for thing in verification.things]
    counts = verification.counts
    return render(
        "verification.html.j2",
        f,
        v=verification,
        customer=verification.customer,
        contract=verification.customer.contract,
        sheet_id=sheet_id,
        lead=lead(verification, t),
        points=points(verification, t),
        tiles=tiles(verification, t),
        bar=charts.stacked_bar(
            [charts.Part(t(f"state.{s}"), _count(assets, s), STATE_TONE[s]) for s in compare.STATES], t("summary.bar")
        ),
        legend=[(t(f"state.{s}"), _count(assets, s), STATE_TONE[s]) for s in compare.STATES if _count(assets, s)],
        asked=[(q.number, sentence(q, t, f)) for q in verification.questions],
        assets=assets,
        things=things,
        warranties=[_warranty_line(one, verification.today, t, f) for one in _by_end(verification.compared)],
        conditions=[one for one in verification.compared if one.condition.at is not None],
        support_tone=SUPPORT_TONE,
        references=numbers.references,
        counts=counts,
    )


def lead(verification: Verification, t: Words) -> str:
    """The report in two plain sentences: what was promised, and was it found."""
    c = verification.counts
    promised = t.count("summary.all", c.contracted)
    if not c.contracted:
        return promised
    if c.found == c.contracted:
        return f"{promised} {t('summary.found_all')}"
    return f"{promised} {t.count('summary.found', c.found) if c.found else t('summary.found_none')}"


def points(verification: Verification, t: Words) -> list[tuple[str, str, str]]:
    """What needs attention, each with its colour and the names it is about; the last one says what we ask."""
    of_state = {s: [one.asset.name for one in verification.compared if one.state == s] for s in compare.STATES}
    ending = [o.asset.name for o in verification.compared if o.warranty.state == status.WARRANTY_ENDING]
    old = [o.asset.name for o in verification.compared if o.condition.support == compare.SUPPORT_ENDED]
    said = [
        (tone, t.count(f"summary.{key}", len(about)), _names(about))
        for key, about, tone in (
            ("absent", of_state[compare.ABSENT], "bad"),
            ("differs", of_state[compare.DIFFERS], "warn"),
            ("not_audited", of_state[compare.NOT_AUDITED], "quiet"),
            ("unlisted", [thing.name for thing in verification.things], "bad"),
            ("warranty", ending, "warn"),
            ("os_ended", old, "bad"),
        )
        if about
    ]
    asked = len(verification.questions)
    last = ("info", t.count("summary.questions", asked)) if asked else ("good", t("summary.nothing"))
    return [*said, (*last, "")]


def _names(about: Sequence[str]) -> str:
    """The first few names; the tables have them all."""
    return ", ".join(about[:4]) + (" …" if len(about) > 4 else "")


def tiles(verification: Verification, t: Words) -> list[Tile]:
    c = verification.counts
    found = [
        Tile(c.contracted, t("tile.contracted"), "ink", "assets"),
        Tile(c.found, t("tile.found"), "good", "assets"),
        Tile(c.differs, t("tile.differs"), "warn", "assets"),
        Tile(c.absent, t("tile.absent"), "bad", "assets"),
        Tile(c.unlisted, t("tile.unlisted"), "bad", "unlisted"),
        Tile(c.warranty_ending, t("tile.warranty"), "warn", "warranty"),
    ]
    if c.not_audited:
        found.insert(4, Tile(c.not_audited, t("tile.not_audited"), "quiet", "assets"))
    return found


def sentence(question: Question, t: Words, f: Formats) -> str:
    """A question in words, its moments and dates as the customer reads them."""
    values = {name: _spoken(value, f) for name, value in question.values.items()}
    kind = "unlisted_bare" if question.kind == "unlisted" and not values["hint"] else question.kind
    return t(f"question.{kind}", **values)


def outcome(one: Compared, t: Words, f: Formats) -> tuple[str, ...]:
    """What was found of one asset, in sentences without the differences."""
    tried = f.moment(one.tried) if one.tried else ""
    if one.state == compare.ABSENT:
        if one.last_seen:
            return (t("found.absent.since", since=f.moment(one.last_seen)),)
        return (t("found.absent.never", tried=tried),)
    reason = t(f"reason.{one.reason}", tried=tried) if one.reason else ""
    if one.state == compare.SEEN:
        return (t("found.seen", by=spoken_sources(one.seen_by, t)), reason)
    if one.state == compare.NOT_AUDITED:
        return (reason,)
    said: tuple[str, ...] = (t("found.present"),) if one.state == compare.PRESENT else ()
    if reason and one.condition.at is not None:
        said += (t("note.later", tried=tried, at=f.moment(one.condition.at)),)
    return said


def spoken_sources(sources: Sequence[str], t: Words) -> str:
    return ", ".join(t.name("source", source) for source in sources)


def spoken_difference(what: str, promised: str, found: str, t: Words) -> str:
    """One difference in a line: "Name: reception-old instead of harbour-ws01"."""
    return f"{t(f'what.{what}')}: {found} {t('diff.instead')} {promised}"


def _spoken(value: object, f: Formats) -> object:
    if isinstance(value, dt.datetime):
        return f.day(value)
    if isinstance(value, dt.date):
        return f.date(value)
    return "" if value is None else value


def _urgency(one: Compared) -> tuple[int, str]:
    """What needs attention first: the table is read from the top."""
    order = (compare.ABSENT, compare.DIFFERS, compare.SEEN, compare.NOT_AUDITED, compare.PRESENT)
    return order.index(one.state), one.asset.name.lower()


def _count(assets: Sequence[AssetLine], state: str) -> int:
    return sum(line.one.state == state for line in assets)


def _asset_line(one: Compared, t: Words, f: Formats, numbers: Numbering) -> AssetLine:
    asset = one.asset
    model = " ".join(p for p in (asset.vendor, asset.model) if p and p.lower() not in ("unknown", "generic"))
    promised = [
        (t("what.model"), model),
        (t("what.serial"), asset.serial),
        (t("what.os"), compare.readable(asset.platform or "")),
        (t("what.address"), compare.bare(asset.address or "")),
    ]
    return AssetLine(
        one=one,
        tone=STATE_TONE[one.state],
        kind=" · ".join(p for p in (t.name("class", asset.asset_class or "other"), _site(asset)) if p),
        promised=tuple((label, value) for label, value in promised if value),
        found=outcome(one, t, f),
        references=numbers.add(asset.name, one.proofs),
    )


def _site(asset: Asset) -> str:
    """The site without the customer's name in front, which is on top of the page already."""
    return compare.readable((asset.site or "").removeprefix(f"{asset.customer}-"))


def _thing_line(thing: Thing, numbers: Numbering) -> ThingLine:
    proofs = [
        Proof(s.source, s.last_seen, s.thing, compare.text(s.place.get("seen_by")))
        for s in sorted(thing.sightings, key=lambda s: (s.source, s.thing))
    ]
    return ThingLine(
        thing=thing,
        made_by=" ".join(p for p in (thing.vendor, thing.model) if p),
        places=thing.seen_from,
        references=numbers.add(thing.name, proofs),
    )


def _by_end(compared: Sequence[Compared]) -> list[Compared]:
    return sorted(compared, key=lambda one: (one.warranty.end is None, one.warranty.end or dt.date.max, one.asset.name))


def _warranty_line(one: Compared, today: dt.date, t: Words, f: Formats) -> WarrantyLine:
    warranty = one.warranty
    said = []
    for source in warranty.sources:
        if source.warranty_end is not None:
            said.append(t("warranty.source", source=source.source, end=f.date(source.warranty_end)))
        elif source.purchase is not None:
            said.append(t("warranty.source.purchase", source=source.source, purchase=f.date(source.purchase)))
    remaining = ""
    if warranty.end is not None and warranty.state == status.WARRANTY_ENDING:
        remaining = t.count("warranty.days", (warranty.end - today).days)
    track = Markup("")
    if warranty.end is not None:
        tone = WARRANTY_TONE[warranty.state]
        track = charts.timeline(warranty.end, today, tone, t("warranty.track", end=f.date(warranty.end)))
    return WarrantyLine(one, WARRANTY_TONE[warranty.state], remaining, tuple(said), track)
