# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a customer stands with its standards, in words: a page and plain text for a mail, of the same lines. Pure.

This file decides what is said; report/standing_page.py has the page and its parts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from markupsafe import Markup

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.effort import surcharge
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import Lack, Side, Uplift
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.report import standing_page
from ansible_collections.msp.ops.plugins.plugin_utils.report.charts import Point, course
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown
from ansible_collections.msp.ops.plugins.plugin_utils.report.standing_page import (
    MOST_ROWS,
    Item,
    Row,
    Section,
    Tile,
    Told,
    counted,
    left_out,
    some,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards import (
    compliance,
    end_of_life,
    quote_words,
    software,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import NewDrift, Tally
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    COMPLIANT,
    DRIFT,
    ERROR,
    FIXED,
    HIGH,
    LOW,
    MEDIUM,
    NOT_APPLICABLE,
    UNKNOWN,
    WAIVED,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.report import (
    OfControl,
    OfStandard,
    Report,
    Share,
    System,
    Wrong,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import Text, worded
from ansible_collections.msp.ops.plugins.plugin_utils.standards.software import Everywhere
from ansible_collections.msp.ops.plugins.plugin_utils.standards.standing import (
    ENDING,
    EXPIRED,
    RUNNING,
    Deviation,
    OfAsset,
    OfWaiver,
)
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import language, zone

# A colour of style.css for each state; the words say the same.
TONE = {COMPLIANT: "good", FIXED: "good", NOT_APPLICABLE: "quiet", WAIVED: "info"} | {
    UNKNOWN: "warn",
    ERROR: "warn",
    DRIFT: "bad",
}
SEVERITY_TONE = {HIGH: "bad", MEDIUM: "warn", LOW: "quiet"}
WAIVER_TONE = {EXPIRED: "bad", ENDING: "warn", RUNNING: "info"}
SOFTWARE_TONE = {
    software.FORBIDDEN: "bad",
    software.END_OF_LIFE: "bad",
    software.MISSING: "warn",
    software.OUTDATED: "warn",
    software.UNKNOWN: "quiet",
}
SECTIONS = ASSETS, NEW, TOP, QUOTE, WAIVERS, SOFTWARE, SURCHARGES = (
    "assets",
    "new",
    "top",
    "quote",
    "waivers",
    "software",
    "surcharges",
)
MOST_ITEMS = 8  # of what deviates on one machine


def told(found: Report, customer: Customer, made_by: str, data: str) -> Told:
    """The customer's standing in words. data is the name of the file that has all of it."""
    f = Formats(language(customer), zone(customer))
    t = Words(f.language)
    return standing_page.told(
        customer,
        f,
        t,
        title=t("srep.title", customer=shown(customer.name)),
        kind=t("srep.kind"),
        span=(found.since, found.now),
        lead=_lead(found, t),
        points=_points(found, t),
        tiles=(Tile(number, _state(state, t), TONE[state]) for state, number in found.counts.items()),
        sections=_sections(found, _Say(found, t, f, customer.contract.currency if customer.contract else "")),
        made_by=made_by,
        data=data,
    )


# In short


def _lead(found: Report, t: Words) -> str:
    total = len(found.assets)
    return t("srep.lead", n=total, ok=found.counts[COMPLIANT]) if total else t("srep.lead.none")


def _points(found: Report, t: Words) -> Iterator[tuple[str, str, str]]:
    """What needs attention: a colour, how many, and who."""
    for state in (DRIFT, UNKNOWN, WAIVED):
        who = [asset.name for asset in found.assets if asset.state == state]
        if who:
            yield TONE[state], t.count(f"srep.point.{state}", len(who)), some(who, t)
    for state in (EXPIRED, ENDING):
        which = [title(found, waiver.control, t) for waiver in found.waivers if waiver.state == state]
        if which:
            yield WAIVER_TONE[state], t.count(f"srep.point.{state}", len(which)), some(which, t)
    nobody_knows = sorted(name for wrong in found.wrong for name in wrong.assets)
    if nobody_knows:
        yield "bad", t.count("srep.point.wrong", len(nobody_knows)), some(nobody_knows, t)
    if found.without:
        yield "warn", t.count("srep.point.without", len(found.without)), some(found.without, t)


# The sections


@dataclass(frozen=True, slots=True)
class _Say:
    """What every row is made with."""

    found: Report
    t: Words
    f: Formats
    currency: str

    def money(self, amount: Decimal) -> str:
        return self.f.money(amount, self.currency)

    def title(self, control: str) -> str:
        return title(self.found, control, self.t)

    def reason(self, control: str) -> str:
        known = self.found.controls.get(control)
        return known.reason.of(self.t.language) if known else ""

    def text(self, text: Text) -> str:
        """What is said of a control, in the customer's language."""
        return shown(worded(text, self.t))

    def name(self, asset: str) -> str:
        return self.found.names.get(asset, asset)

    def severity(self, severity: str) -> str:
        return self.t(f"srep.severity.{severity}")

    def section(self, key: str, labels: tuple[str, ...], rows: Sequence[Row], intro: str | None = None) -> Section:
        return Section(
            key,
            self.t(f"srep.heading.{key}"),
            self.t(f"srep.intro.{key}") if intro is None else intro,
            labels,
            tuple(rows[:MOST_ROWS]),
            left_out(rows, self.t),
            self.t(f"srep.empty.{key}"),
            wide=key in (ASSETS, SURCHARGES),
        )


def _sections(found: Report, say: _Say) -> Iterator[Section]:
    t = say.t
    yield say.section(
        ASSETS,
        (t("prep.asset"), t("srep.differs"), t("srep.controls"), t("prep.looked")),
        [*(_wrong(one, say) for one in found.wrong), *(_asset(asset, say) for asset in found.assets)],
    )
    yield say.section(
        NEW,
        (t("srep.control"), t("prep.asset"), t("prep.what"), t("srep.since")),
        [_new(one, say) for one in found.new],
        t("srep.intro.new", since=say.f.day(found.new_since)),
    )
    yield say.section(
        TOP,
        (t("srep.control"), t("prep.machines"), t("srep.since")),
        [_top(one, say) for one in found.top],
    )
    yield _quote(found, say)
    yield say.section(
        WAIVERS,
        (t("srep.control"), t("prep.machines"), t("srep.why"), t("srep.agreed"), t("srep.until")),
        [_waiver(one, say) for one in found.waivers],
    )
    yield _software(found, say)
    yield _surcharges(found, say)
    for number, one in enumerate(found.standards, 1):
        yield _standard(f"standard-{number}", one, say)


# Machine by machine


def _wrong(one: Wrong, say: _Say) -> Row:
    cells = ((say.t("srep.wrong"), say.t("srep.message", text=shown(one.why))), (), ())
    return Row(some(one.assets, say.t), "", cells, "bad", _state(UNKNOWN, say.t))


def _asset(asset: OfAsset, say: _Say) -> Row:
    t = say.t
    looked = (say.f.moment(asset.checked),) if asset.checked is not None else (t("never"),)
    standard = _standard_title(asset.standard, say)
    chip = (TONE[asset.state], _state(asset.state, t))
    if asset.unknown:
        lines = [t(f"srep.unknown.{asset.unknown}")]
        lines += [t("srep.message", text=shown(asset.error))] if asset.error else []
        before = sum(one.status == DRIFT for one in asset.deviations)
        lines += [t.count("srep.found_before", before)] if asset.checked is not None else []
        return Row(shown(asset.name), standard, (tuple(lines), (), looked), *chip)
    shown_ones = asset.deviations[:MOST_ITEMS]
    left = len(asset.deviations) - len(shown_ones)
    lines = [t("prep.nothing")] if not asset.deviations else [_how_many(asset, t)]
    lines += [t("srep.first", n=MOST_ITEMS, left=left)] if left else []
    cells = (tuple(lines), tuple(_counted_controls(asset.counts, t)), looked)
    return Row(shown(asset.name), standard, cells, *chip, tuple(_deviation(one, say) for one in shown_ones))


def _how_many(asset: OfAsset, t: Words) -> str:
    counts = asset.counts
    said = [t.count(f"srep.number.{status}", counts[status]) for status in (DRIFT, WAIVED) if counts[status]]
    silent = counts[ERROR] + counts[UNKNOWN]
    return ", ".join([*said, *([t("srep.number.unknown", n=silent)] if silent else [])])


def _counted_controls(counts: Mapping[str, int], t: Words) -> Iterator[str]:
    held = sum(counts.values()) - counts[NOT_APPLICABLE]
    yield t("srep.hold", n=counts[COMPLIANT] + counts[FIXED], total=held)
    if counts[NOT_APPLICABLE]:
        yield t("srep.not_applicable", n=counts[NOT_APPLICABLE])


def _deviation(one: Deviation, say: _Say) -> Item:
    t, f = say.t, say.f
    pairs = [(t("srep.desired"), say.text(one.desired)), (t("srep.found"), say.text(one.found))]
    pairs += [(t("srep.since"), f.day(one.since))] if one.since is not None else []
    if one.status == UNKNOWN and not one.reason:
        pairs.append((t("prep.why"), t("srep.never_measured")))
    if one.waiver is not None:
        ends = t("srep.waived.until" if one.status == WAIVED else "srep.waived.expired", at=f.date(one.waiver.expires))
        pairs.append((t("srep.waiver"), f"{ends}: {shown(one.waiver.reason)} ({shown(one.waiver.owner)})"))
    elif one.reason:
        pairs.append((t("prep.why"), say.text(one.reason)))
    pairs += [(t("srep.left"), t("srep.left.why"))] if one.left else []
    known = tuple((label, value) for label, value in pairs if value)
    if one.status == DRIFT:
        return Item(say.title(one.control), known, SEVERITY_TONE[one.severity], say.severity(one.severity))
    return Item(say.title(one.control), known, TONE[one.status], _state(one.status, t))


# New, and most often


def _new(one: NewDrift, say: _Say) -> Row:
    t, f = say.t, say.f
    what = [t("srep.change.desired", desired=say.text(one.desired)), t("srep.change.found", found=say.text(one.found))]
    what += [t("srep.first_look")] if one.before is None else []
    since = [f.day(one.at)]
    since += [t("srep.now", state=_state(one.now, t), at=f.day(one.now_at))] if one.now != DRIFT else []
    cells = ((shown(say.name(one.asset)),), tuple(what), tuple(since))
    chip = (SEVERITY_TONE[one.severity], say.severity(one.severity))
    if one.now != DRIFT:
        chip = (TONE.get(one.now, "quiet"), _state(one.now, t))
    return Row(say.title(one.control), "", cells, *chip)


def _top(one: compliance.Deviation, say: _Say) -> Row:
    cells = ((counted([say.name(asset) for asset in one.assets], say.t),), (say.f.day(one.since),))
    chip = (SEVERITY_TONE[one.severity], say.severity(one.severity))
    return Row(say.title(one.control), say.reason(one.control), cells, *chip)


# What it takes


def _quote(found: Report, say: _Say) -> Section:
    t, f, quote = say.t, say.f, found.quote
    said = list(quote_words.sentences(quote, t, f, lambda who: some([say.name(asset) for asset in who], t)))
    rows = [
        Row(
            say.title(line.control),
            t("srep.quote.left", who=some([say.name(asset) for asset in line.left], t)) if line.left else "",
            ((counted([say.name(asset) for asset in line.assets], t),), (f.duration(line.by_hand),)),
        )
        for line in sorted(quote.lines, key=lambda line: (-line.by_hand, line.control))
    ]
    labels = (t("srep.control"), t("prep.machines"), t("srep.by_hand"))
    section = say.section(QUOTE, labels, rows, " ".join(said))
    return section if rows else replace(section, empty=" ".join([section.empty, *said]))


# What was agreed


def _waiver(one: OfWaiver, say: _Say) -> Row:
    t, f, waiver = say.t, say.f, one.waiver
    machines = [counted(one.assets, t)]
    idle = [name for name in one.assets if name not in one.needed]
    machines += [t("srep.not_needed", who=some(idle, t))] if idle else []
    agreed = t("srep.agreed.by", who=shown(waiver.agreed.by), at=f.date(waiver.agreed.on))
    cells = (
        tuple(machines),
        (shown(waiver.reason), t("srep.owner", who=shown(waiver.owner))),
        (agreed, shown(waiver.agreed.reference)),
        (f.date(waiver.expires),),
    )
    return Row(say.title(one.control), "", cells, WAIVER_TONE[one.state], t(f"srep.waiver.{one.state}"))


# Software


def _software(report: Report, say: _Say) -> Section:
    t, found = say.t, report.software
    said = [t("srep.intro.software"), *_ends(found.dated, report.now, say)]
    if found.lacking:
        said.append(t.count("srep.software.lacking", len(found.lacking), who=some(found.lacking, t)))
    said += _not_told(found.not_told, t)
    labels = (t("srep.software"), t("prep.machines"), t("srep.software.version"), t("prep.what"))
    rows = [*(_system(one, say) for one in found.systems), *(_package(one, say) for one in found.found)]
    section = say.section(SOFTWARE, labels, rows, " ".join(said))
    return section if rows else replace(section, empty=" ".join([section.empty, *said[1:]]))


def _not_told(found: Mapping[str, tuple[str, ...]], t: Words) -> Iterator[str]:
    """What could not be told of which machines; what lacks on the same machines is said in one sentence."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    for kind, on in found.items():
        kinds.setdefault(on, []).append(t("srep.software.quoted", kind=t(f"srep.software.{_key(kind)}")))
    for on, words in kinds.items():
        yield t("srep.software.not_told", kinds=", ".join(words), who=some(on, t))


def _ends(dated: dt.date | None, now: dt.datetime, say: _Say) -> Iterator[str]:
    """How far the list of ends of life goes. An old one can only lack some."""
    if dated is None:
        yield say.t("srep.software.no_file")
        return
    yield say.t("srep.software.file", at=say.f.date(dated))
    if (now.date() - dated).days > end_of_life.MAX_AGE:
        yield say.t("srep.software.old_file")


def _system(one: System, say: _Say) -> Row:
    t = say.t
    cells = ((counted(one.assets, t),), (), (t("srep.software.ended", at=say.f.date(one.end)),))
    tone, chip = SOFTWARE_TONE[software.END_OF_LIFE], t(f"srep.software.{_key(software.END_OF_LIFE)}")
    return Row(shown(one.name), t("srep.software.system"), cells, tone, chip)


def _package(one: Everywhere, say: _Say) -> Row:
    t = say.t
    machines = counted([say.name(asset) for asset in one.assets], t)
    what = _about(one, say)
    cells = ((machines,), (shown(one.version),) if one.version else (), (what,) if what else ())
    return Row(shown(one.package), "", cells, SOFTWARE_TONE[one.kind], t(f"srep.software.{_key(one.kind)}"))


def _about(one: Everywhere, say: _Say) -> str:
    """What a package should be, or where it is from; of one at its end until when its maker looked after it."""
    if one.since is not None:
        return say.t("srep.software.ended", at=say.f.date(one.since))
    if one.kind == software.END_OF_LIFE:
        return say.t("srep.software.over", what=shown(one.wanted))
    if one.kind == software.FORBIDDEN:
        return say.t("srep.software.not", what=shown(one.wanted.removeprefix("not ")))
    if one.kind == software.UNKNOWN and one.wanted:
        return say.t("srep.software.from", origin=shown(one.wanted))
    return shown(one.wanted) if one.wanted != one.package else ""


def _key(words: str) -> str:
    """A word of ours as it stands in a key of the catalogue."""
    return words.replace(" ", "_")


# What it costs more


def _surcharges(found: Report, say: _Say) -> Section:
    t = say.t
    total = sum((one.amount for one in found.surcharges), Decimal(0))
    intro = t("srep.intro.surcharges", total=say.money(total)) if found.surcharges else ""
    labels = (t("prep.asset"), t("srep.surcharge.why"), t("srep.surcharge.amount"))
    return say.section(SURCHARGES, labels, [_surcharged(one, say) for one in found.surcharges], intro)


def _surcharged(one: surcharge.OfAsset, say: _Say) -> Row:
    cells = ((), (say.money(one.amount),))
    kind = say.t.name("class", one.asset_class or "other")
    return Row(shown(one.name), kind, cells, items=tuple(_surcharge(each, say) for each in one.surcharges))


def _surcharge(one: surcharge.Surcharge, say: _Say) -> Item:
    t = say.t
    proofs = "; ".join(_proof(one.cause.reason, proof, say) for proof in one.cause.proofs)
    pairs = [(t("srep.surcharge.shown_by"), proofs), (t("srep.surcharge.basis"), _basis(one, say))]
    if isinstance(one.measured, Uplift):
        pairs.append((t("srep.surcharge.evidence"), _evidence(one.measured, say)))
    chip = say.money(one.amount)
    return Item(t(f"srep.surcharge.for.{one.cause.reason}"), tuple(pairs), "info" if one.amount else "quiet", chip)


def _proof(reason: str, proof: surcharge.Proof, say: _Say) -> str:
    what = say.title(proof.what) if reason == names.FOR_WAIVED else shown(proof.what)
    said = {"what": what, "day": say.f.date(proof.day), "said": shown(proof.said)}
    return say.t(f"srep.proof.{reason}" if proof.said else f"srep.proof.bare.{reason}", **said)


def _basis(one: surcharge.Surcharge, say: _Say) -> str:
    """On what grounds the amount is what it is."""
    t, f, found = say.t, say.f, one.measured
    if isinstance(found, Lack):
        why = t(f"srep.lack.{_key(found.kind)}", has=_amount(found.has, f), needs=_amount(found.needs, f))
        return t("srep.basis.lack.table" if one.basis == surcharge.TABLE else "srep.basis.lack.nothing", why=why)
    span = {"minutes": _amount(found.minutes, f), "low": _amount(found.low, f), "high": _amount(found.high, f)}
    return t(f"srep.basis.{_key(one.basis)}", **span)


def _evidence(found: Uplift, say: _Say) -> str:
    t, f = say.t, say.f
    return t(
        "srep.evidence",
        having=_side(found.having, say),
        lacking=_side(found.lacking, say),
        own=_amount(found.own, f),
        common=_amount(found.common, f),
        customers=found.customers,
        weight=f.percent(found.weight),
    )


def _side(side: Side, say: _Say) -> str:
    return say.t(
        "srep.evidence.side",
        assets=len(side.assets),
        months=_amount(side.months, say.f),
        minutes=_amount(side.minutes, say.f),
        tickets=len(side.tickets),
    )


def _amount(value: float, f: Formats) -> str:
    """A number as far as anybody needs it: whole from ten on, else with one decimal."""
    return f.number(round(value) if abs(value) >= 10 else round(value, 1))


# A standard


def _standard(key: str, one: OfStandard, say: _Say) -> Section:
    t, f, found = say.t, say.f, say.found
    always = [each for each in one.controls if each.quiet]
    rest = [each for each in one.controls if not each.quiet]
    share = one.now.share
    machines = t.count("srep.standard.machines", len(one.assets))
    now = t("srep.standard.unknown") if share is None else t("srep.standard.now", share=f.percent(share))
    held = ", ".join(say.title(each.control) for each in always)
    more = t.count("srep.standard.always", len(always), which=held) if always else ""
    return Section(
        key,
        t("srep.standard", title=_standard_title(one.name, say)),
        t("srep.standard.intro", version=shown(one.version), machines=machines, now=now),
        (t("srep.control"), t("srep.today"), t("srep.course"), t("srep.references")),
        tuple(_control(each, say) for each in rest),
        more,
        t("srep.standard.all") if share is not None else "",
        _chart(one.course, one.now, found.now, say, t("srep.standard", title=_standard_title(one.name, say))),
        _went(one.course, one.now, say),
        t("srep.course"),
    )


def _control(one: OfControl, say: _Say) -> Row:
    t, share = say.t, one.now.share
    chip = t("unknown") if share is None else say.f.percent(share)
    known = say.found.controls.get(one.control)
    return Row(
        say.title(one.control),
        say.reason(one.control),
        (
            tuple(_of_machines(one.now, t)),
            (_went(one.course, one.now, say),),
            tuple(f"{source.source}, {source.section}" for source in (known.references if known else ())),
        ),
        _tone(share),
        chip,
        chart=_chart(one.course, one.now, say.found.now, say, say.title(one.control)),
    )


def _of_machines(now: Tally, t: Words) -> Iterator[str]:
    counts = now.counts
    yield t("srep.on", n=counts[COMPLIANT] + counts[FIXED], total=now.held)
    yield from (t(f"srep.on.{status}", n=counts[status]) for status in (DRIFT, WAIVED) if counts[status])
    silent = counts[ERROR] + counts[UNKNOWN]
    if silent:
        yield t("srep.on.unknown", n=silent)
    if counts[NOT_APPLICABLE]:
        yield t("srep.on.not_applicable", n=counts[NOT_APPLICABLE])


def _tone(share: float | None) -> str:
    if share is None:
        return "warn"
    return "good" if share == 1.0 else "warn" if share >= 0.8 else "bad"


def _chart(shares: Iterable[Share], now: Tally, at: dt.datetime, say: _Say, what: str) -> Markup:
    points = [Point(one.at, one.share) for one in shares]
    # From the last midnight on it is as it is now.
    points = [*points[:-1], *(Point(last.at, now.share) for last in points[-1:])]
    known = next((place for place, one in enumerate(points) if one.share is not None), None)
    if known is None:
        return Markup("")
    return course(points[known:], at, _tone(now.share), f"{what}: {_went(shares, now, say)}")


def _went(shares: Iterable[Share], now: Tally, say: _Say) -> str:
    """The course in a sentence: where it began, the lowest where that was lower than both ends, and where it is."""
    t, f = say.t, say.f
    known = [one for one in shares if one.share is not None]
    end = t("unknown") if now.share is None else f.percent(now.share)
    if not known:
        return t("srep.went.nothing", now=end)
    first, low = known[0], min(known, key=lambda one: one.share or 0.0)
    begin = {"at": f.day(first.at), "first": f.percent(first.share or 0.0), "now": end}
    if (low.share or 0.0) < min(first.share or 0.0, now.share or 0.0):
        return t("srep.went.low", low=f.percent(low.share or 0.0), low_at=f.day(low.at), **begin)
    return t("srep.went", **begin)


# Small words


def title(found: Report, control: str, t: Words) -> str:
    """A control's title; of one that is in the catalogue no more its id."""
    known = found.controls.get(control)
    return known.title.of(t.language) if known else shown(control)


def _standard_title(name: str, say: _Say) -> str:
    known = say.found.titles.get(name)
    return shown(known.of(say.t.language) if known else name)


def _state(state: str, t: Words) -> str:
    return t(f"srep.state.{_key(state)}")
