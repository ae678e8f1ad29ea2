# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""News in words: the digest as a page and as plain text for a mail, both made of the same lines. Pure.

Layout of the page is in report/templates/digest.html.j2; this file decides what is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change, Effort
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import digest
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import Item, News, Place, Side
from ansible_collections.msp.ops.plugins.plugin_utils.report.document import render
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import WIDTH, columns, mail, shown, wrapped
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import language, zone

# A colour of style.css for each group; the heading says the same in words.
TONE = {
    digest.NEW: "bad",
    digest.CONFLICT: "warn",
    digest.GONE: "bad",
    digest.BACK: "good",
    digest.MOVED: "info",
    digest.CHANGED: "info",
    digest.SETTLED: "good",
}
MOST = 4  # values of one kind that are shown; how many more there are is said
LABEL = 17  # columns of a label in the text

# One name for a kind of evidence, whether its source names one value or a list.
ONE = {"macs": "mac", "names": "name", "addresses": "address"}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something known of a thing: values under a label. instead: what it was before. code: for machines."""

    label: str
    values: tuple[str, ...]
    instead: str = ""
    code: bool = False

    def __str__(self) -> str:
        return ", ".join(self.values) + (f" {self.instead}" if self.instead else "")


@dataclass(frozen=True, slots=True)
class Proof:
    """A change or a booking in the evidence store, with the number it has on this page."""

    number: int
    subject: str
    words: str
    key: str


@dataclass(frozen=True, slots=True)
class Line:
    """One item as it is shown."""

    item: Item
    sub: str
    chip: str
    facts: tuple[Fact, ...]
    sides: tuple[tuple[str, tuple[str, ...]], ...]
    seen: tuple[Fact, ...]
    todo: str
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    tone: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is said, in the customer's language and time zone."""

    news: News
    f: Formats
    t: Words
    name: str
    made_by: str
    period: str
    lead: str
    points: tuple[tuple[str, str, str], ...]
    groups: tuple[Group, ...]
    effort: tuple[str, ...]
    effort_proofs: tuple[Proof, ...]

    @property
    def proofs(self) -> list[Proof]:
        of_items = [p for group in self.groups for line in group.lines for p in line.proofs]
        return [*of_items, *self.effort_proofs]


def told(news: News, made_by: str) -> Told:
    """The news in words."""
    f = Formats(language(news.customer), zone(news.customer))
    t = Words(f.language)
    groups = _groups(news, t, f)
    number = 1 + sum(len(line.proofs) for group in groups for line in group.lines)
    rows = news.spent.rows if news.spent is not None else ()
    return Told(
        news=news,
        f=f,
        t=t,
        name=shown(news.customer.name),
        made_by=shown(made_by),
        period=_period(news, t, f),
        lead=_lead(news, t, f),
        points=tuple(
            (TONE[name], t.count(f"digest.point.{name}", n), _some([i.name for i in news.of(name)]))
            for name, n in news.counts.items()
            if n
        ),
        groups=groups,
        effort=tuple(_effort(news, t, f)),
        effort_proofs=tuple(_booked(row, number + i, t, f) for i, row in enumerate(rows)),
    )


def page(said: Told) -> str:
    """The whole page."""
    contract = said.news.customer.contract
    return render("digest.html.j2", said.f, d=said, contract=contract)


def text(said: Told) -> str:
    """The same as plain text that fits a mail."""
    t = said.t
    title = t("digest.title", customer=said.name)
    lines = [*wrapped(title), "=" * min(WIDTH, columns(title)), "", *wrapped(said.lead)]
    lines += [line for _tone, words, names in said.points for line in wrapped(f"{words} {names}", "- ", "  ")]
    for group in said.groups:
        heading = f"{t(f'digest.group.{group.name}')} ({len(group.lines)})"
        lines += ["", "", *wrapped(heading), "-" * min(WIDTH, columns(heading))]
        for line in group.lines:
            lines += ["", *_paragraph(line, t)]
    heading = t("effort.heading")
    lines += ["", "", heading, "-" * columns(heading), ""]
    lines += [line for words in said.effort for line in wrapped(words)]
    for proof in said.effort_proofs:
        lines += _labelled(t("digest.evidence"), f"{proof.words}, {proof.key}")
    lines += ["", "", *wrapped(t("digest.foot", made_by=said.made_by, period=said.period))]
    lines += wrapped(t("digest.zone", zone=said.f.zone.key))
    return mail(lines)


def _paragraph(line: Line, t: Words) -> list[str]:
    lines = wrapped(line.item.name, "* ", "  ")
    about = " · ".join(part for part in (line.sub, line.chip) if part)
    lines += wrapped(about, "  ") if about else []
    for fact in line.facts:
        lines += _labelled(fact.label, str(fact))
    for name, reasons in line.sides:
        lines += _labelled(t("digest.side"), f"{name}: {'; '.join(reasons)}")
    for fact in line.seen:
        lines += _labelled(fact.label, str(fact))
    lines += _labelled(t("digest.todo"), line.todo)
    for proof in line.proofs:
        lines += _labelled(t("digest.evidence"), f"{proof.words}, {proof.key}")
    return lines


def _labelled(label: str, words: str) -> list[str]:
    return wrapped(words, f"  {label:<{LABEL}} ") if words else []


def _period(news: News, t: Words, f: Formats) -> str:
    if news.since is None:
        return t("digest.period.first", until=f.moment(news.until))
    return t("digest.period", since=f.moment(news.since), until=f.moment(news.until))


def _lead(news: News, t: Words, f: Formats) -> str:
    if news.since is None:
        return t.count("digest.lead.first", len(news.items), until=f.moment(news.until))
    return t.count("digest.lead", len(news.items), since=f.moment(news.since))


def _some(values: Sequence[str]) -> str:
    """The first few; the tables have them all."""
    return ", ".join(values[:MOST]) + (" …" if len(values) > MOST else "")


def _groups(news: News, t: Words, f: Formats) -> tuple[Group, ...]:
    found: list[Group] = []
    number = 1
    for name in digest.GROUPS:
        lines = []
        for item in news.of(name):
            lines.append(_line(item, number, t, f))
            number += len(item.changes)
        if lines:
            found.append(Group(name, TONE[name], tuple(lines)))
    return tuple(found)


def _line(item: Item, number: int, t: Words, f: Formats) -> Line:
    kind = t.name("class", item.kind) if item.kind else t("digest.kind.unknown")
    made = " ".join(part for part in (item.vendor, item.model) if part)
    return Line(
        item=item,
        sub=" · ".join(part for part in (kind, made) if part),
        chip=t("unlisted.chip") if item.todo in (digest.AGREE, digest.PASSED_BY) else "",
        facts=tuple(fact for fact in _facts(item, t, f) if any(fact.values)),
        sides=tuple((side.name, _reasons(side, t, f)) for side in item.sides) if item.group == digest.CONFLICT else (),
        seen=tuple(fact for fact in _seen(item, t, f) if any(fact.values)),
        todo=t(f"digest.todo.{item.todo}"),
        proofs=tuple(_proof(item, change, number + i, t, f) for i, change in enumerate(item.changes)),
    )


def _facts(item: Item, t: Words, f: Formats) -> list[Fact]:
    """What happened, then what it is known by."""
    found: list[Fact] = []
    if item.group == digest.SETTLED:
        found.append(Fact(t("digest.how"), (_spoken_how(item.how, t),)))
    if item.group == digest.CONFLICT:
        found.append(Fact(t("digest.why"), (t.name("digest.why", item.why),)))
    if item.group == digest.GONE:
        missed = tuple(t.count("digest.missed", n, source=spoken_source(source, t)) for source, n in item.misses)
        found.append(Fact(t("digest.not_seen"), missed))
    if item.group == digest.BACK and item.gone_since:
        found.append(Fact(t("digest.away"), (f.moment(item.gone_since),)))
    for before, after in item.moves:
        found += _moved(before, after, t)
    for one in item.differences:
        was = f"{t('diff.instead')} {one.before}" if one.before else ""
        found.append(Fact(t.name("what", one.what), (one.after or t("digest.nothing"),), was))
    if len(item.changes) > 1:
        happened = tuple(f"{t(f'digest.kind.{c.kind}')} {f.moment(c.at)}" for c in item.changes)
        found.append(Fact(t("digest.history"), happened))
    found.append(Fact(t("what.address"), _few(item.addresses, t), code=True))
    found.append(Fact(t("what.mac"), _few(item.macs, t), code=True))
    found.append(Fact(t("what.serial"), (item.serial,)))
    found.append(Fact(t("what.os"), (item.os,)))
    return found


def _seen(item: Item, t: Words, f: Formats) -> list[Fact]:
    """When, by whom and where."""
    found = [
        Fact(t("col.first_seen"), (f.moment(item.first_seen) if item.first_seen else t("unknown"),)),
        Fact(t("col.seen"), (f.moment(item.last_seen) if item.last_seen else t("unknown"),)),
        Fact(t("col.by"), tuple(spoken_source(source, t) for source in item.sources) or (t("unknown"),)),
    ]
    if not item.moves:
        found.append(Fact(t("digest.port"), (_port(item.place),)))
        found.append(Fact(t("digest.prefix"), (item.place.prefix,), code=True))
    if item.minutes is not None:
        found.append(Fact(t("digest.spent"), (_duration(item.minutes, t, f),)))
    return found


def _few(values: Sequence[str], t: Words) -> tuple[str, ...]:
    more = len(values) - MOST
    return tuple(values) if more <= 0 else (*values[:MOST], t("digest.more", n=more))


def _port(place: Place) -> str:
    return " ".join(part for part in (place.switch, place.port) if part)


def _moved(before: Place, after: Place, t: Words) -> list[Fact]:
    found = []
    for label, was, now in (
        (t("digest.port"), _port(before), _port(after)),
        (t("digest.prefix"), before.prefix, after.prefix),
    ):
        if was != now:
            found.append(Fact(label, (now or t("unknown"),), f"{t('diff.instead')} {was}" if was else ""))
    return found


def _reasons(side: Side, t: Words, f: Formats) -> tuple[str, ...]:
    """The evidence for one side: "Serial no. CZJ1520KD7 (check of the device, 17 Mar 2026 06:40)"."""
    found = []
    for reason in side.reasons:
        by = [spoken_source(reason.source, t)] if reason.source else []
        by += [f.moment(reason.at)] if reason.at else []
        what = f"{t.name('what', ONE.get(reason.kind, reason.kind))} {reason.value}".strip()
        found.append(f"{what} ({', '.join(by)})" if by else what)
    return tuple(found) or (t("evidence.none"),)


def spoken_source(source: str, t: Words) -> str:
    """ "dhcp:hq" is "DHCP leases (hq)": the kind in words, and the customer's own label."""
    kind, _colon, label = source.partition(":")
    return f"{t.name('source', kind)} ({label})" if label else t.name("source", kind)


def _spoken_how(how: str, t: Words) -> str:
    found = digest.decided(how)
    if found is None:
        if how.startswith(digest.CONFIRMED):
            return f"{t('digest.how.confirmed')}, {t('digest.how.by', who=how.removeprefix(digest.CONFIRMED))}"
        return t.name("digest.how", how) if how else t("unknown")
    status, who = found
    said = t("digest.how.decided", status=t.name("status", status))
    return f"{said}, {t('digest.how.by', who=who)}" if who else said


def _proof(item: Item, change: Change, number: int, t: Words, f: Formats) -> Proof:
    """What a change rests on: its kind, when it was found, and who saw the thing until when."""
    sources = change.detail.get("sources")
    found = [shown(s) for s in sources] if isinstance(sources, list | tuple) else []
    words = [t(f"digest.kind.{change.kind}"), f.moment(change.at), *(spoken_source(s, t) for s in found if s)]
    seen = digest.moment(change.detail.get("last_seen"))
    if seen is not None:
        words.append(t("digest.seen_until", at=f.moment(seen)))
    return Proof(number, item.name, ", ".join(words), shown(change.key))


def _booked(row: Effort, number: int, t: Words, f: Formats) -> Proof:
    words = [t(f"digest.by.{row.by}"), f.moment(row.at), _duration(row.minutes, t, f)]
    words += [t("digest.ticket", ticket=shown(row.ticket))] if row.ticket else []
    return Proof(number, shown(row.what) or t("effort.heading"), ", ".join(words), shown(row.key))


def _effort(news: News, t: Words, f: Formats) -> Iterable[str]:
    """Time outside the contract. What was not measured is said to be so, and is never shown as zero."""
    found = news.spent
    if found is None:
        yield t("effort.none")
        return
    for by, minutes in ((t("digest.by.person"), found.person), (t("digest.by.automation"), found.automation)):
        said = t("not_measured") if minutes is None else _duration(minutes, t, f)
        yield f"{by}: {said}."


def _duration(minutes: float, t: Words, f: Formats) -> str:
    """Less than half a minute is not "0:00": it was measured."""
    return t("digest.moment") if minutes < 0.5 else t("digest.hours", hours=f.duration(minutes))
