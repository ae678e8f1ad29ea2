"""Who is who on made networks with a known truth: what identity decides, beside what people use today.

Two baselines see the same in the same run: by name only (what modules that create devices in NetBox do), and the first
key that hits (serial number, else hardware address, else name). The networks come from bench/_made_network.py, whose
docstring says what happens in them and what no judge could know.

The seeds TUNED and the rates ROUGH were looked at while the rules were written. The seeds HELD_OUT and the rates YOUNG
were not: they are printed apart. A sighting counts once, whosever it is:
- precision: of the sightings matched to an asset, those that are that asset's (decidable or not).
- recall: of the decidable sightings, those with the right answer: their asset, or new where there is none.
- wrong merges: entities (for a baseline: assets) with sightings of two machines, or of a machine that is not theirs.
- conflicts besides the undecidable: of the decidable sightings, those left to a person.
- contested: what fits two explanations; to be left as a conflict.
- silent: what points at nothing; to be left unmatched. Nothing that was seen contradicts anything or speaks for any
  asset, so there is no side to show to a person: it cannot be a conflict, and looks like any visitor's. Where it leaves
  something lasting (a card) it becomes a device of its own, beside the asset that it is: wrongly made.
"""

from __future__ import annotations

import gc
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence, learning
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from bench._made_network import make
from bench._made_world import ROUGH, USUAL, YOUNG, Made, Rates
from bench.harness import Figure, Outcome, Target, own_peak_mb

TUNED = (1, 2, 3)
HELD_OUT = (201, 202, 203, 204)
SIZE = 10_000  # assets a seed
LARGE = 50_000
CONFLICT = "a person decides"

Answers = dict[str, str | None]  # by sighting: an asset's key, None for new, CONFLICT


class Judged(NamedTuple):
    """answers and groups (entities) by sighting; devices are the new groups of which a device would be made."""

    answers: Answers
    groups: dict[str, str]
    devices: frozenset[str] = frozenset()


Judge = Callable[[Made], Judged]


@dataclass
class Tally:
    sightings: int = 0
    assets: int = 0
    decidable: int = 0
    right: int = 0
    matched: int = 0
    matched_right: int = 0
    needless: int = 0
    contested: int = 0
    contested_left: int = 0
    silent: int = 0
    silent_left: int = 0
    silent_asked: int = 0
    wrongly_made: int = 0  # devices that reconciliation would make of new things that are an asset's
    wrong_merges: int = 0
    mixed: int = 0  # conflicts that hold sightings of two machines: a person is asked about both at once

    @property
    def precision(self) -> float:
        return self.matched_right / max(self.matched, 1)

    @property
    def recall(self) -> float:
        return self.right / max(self.decidable, 1)


def run() -> Outcome:
    outcome = Outcome("identity")
    for name, seeds, rates in (
        ("seeds looked at", TUNED, USUAL),
        ("rough rates, looked at", TUNED, ROUGH),
        ("seeds never looked at", HELD_OUT, USUAL),
        ("young customers, never looked at", HELD_OUT, YOUNG),
    ):
        tallies = tally(seeds, rates, {"": ours, "by name": by_name, "first key": first_key})
        _report(outcome, name, tallies)
    _speed(outcome)
    outcome.figures.append(Figure("peak memory of this whole bench", own_peak_mb(), "MB"))
    return outcome


def tally(seeds: Iterable[int], rates: Rates, judges: Mapping[str, Judge], size: int = SIZE) -> dict[str, Tally]:
    """What each judge makes of the same networks."""
    tallies = {name: Tally() for name in judges}
    for seed in seeds:
        for made in make(seed, size, rates):
            for name, judge in judges.items():
                _count(tallies[name], made, judge(made))
    return tallies


def ours(made: Made) -> Judged:
    """What identity says."""
    result, _assets, _sightings = _resolved(made, _said(made))
    answers: Answers = {}
    groups: dict[str, str] = {}
    for entity in result.entities:
        answer = CONFLICT if entity.verdict is Verdict.CONFLICT else entity.asset
        for key in entity.sightings:
            answers[key], groups[key] = answer, entity.key
    devices = frozenset(one.key for one in result.of(Verdict.NEW) if one.identified)
    return Judged(answers, groups, devices)


def reconciled(made: Made, owners: learning.Owners) -> tuple[Resolution, learning.Owners]:
    """One reconciliation that remembers what those before it learnt, and what it remembers then."""
    said = _said(made)
    result, assets, sightings = _resolved(made, learning.taught(made.assets, said, owners))
    profiles = {one.key: one for one in sightings}
    return result, learning.learnt(result, {one.key: one for one in assets}, profiles, said, owners)


def _said(made: Made) -> dict[str, tuple[evidence.Ids, ...]]:
    return {key: (taught,) for key, taught in made.remembered.items()}


def _resolved(
    made: Made, remembered: Mapping[str, Sequence[evidence.Ids]]
) -> tuple[Resolution, Sequence[Profile], Sequence[Profile]]:
    assets, sightings = evidence.gather(
        made.assets,
        made.sightings,
        facts=made.facts,
        audits=made.audits,
        remembered=remembered,
        history=made.history,
    )
    return resolve(made.customer, assets, sightings), assets, sightings


def _words(made: Made) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Assets by name, by hardware address, by serial number: all that is on record of them."""
    names: dict[str, str] = {}
    macs: dict[str, str] = {}
    serials: dict[str, str] = {}
    for asset in made.assets:
        facts, taught = made.facts.get(asset.key, {}), made.remembered.get(asset.key, {})
        names.setdefault(asset.name.lower(), asset.key)
        for mac in (*asset.macs, *taught.get("macs", ()), *(i["mac"] for i in facts.get("interfaces", ()))):
            macs.setdefault(mac, asset.key)
        for serial in (asset.serial, *taught.get("serial", ()), facts.get("machine", {}).get("serial")):
            if serial:
                serials.setdefault(serial, asset.key)
    return names, macs, serials


def by_name(made: Made) -> Judged:
    """The asset with that name, else new."""
    names, _macs, _serials = _words(made)
    answers: Answers = {}
    for one in made.sightings:
        found = (names.get(name.partition(".")[0].lower()) for name in one.identity.get("names", ()))
        answers[f"{one.source}:{one.thing}"] = next((key for key in found if key), None)
    return Judged(answers, {key: answer or key for key, answer in answers.items()})


def first_key(made: Made) -> Judged:
    """The asset with that serial number, else with one of those hardware addresses, else with that name, else new."""
    names, macs, serials = _words(made)
    answers: Answers = {}
    for one in made.sightings:
        identity = one.identity
        found = [
            serials.get(identity.get("serial", "")),
            *(macs.get(mac) for mac in identity.get("macs", ())),
            *(names.get(name.partition(".")[0].lower()) for name in identity.get("names", ())),
        ]
        answers[f"{one.source}:{one.thing}"] = next((key for key in found if key), None)
    return Judged(answers, {key: answer or key for key, answer in answers.items()})


def _count(tally: Tally, made: Made, judged: Judged) -> None:
    answers, groups, devices = judged
    tally.assets += len(made.assets)
    tally.sightings += len(answers)
    machines: dict[str, set[int]] = defaultdict(set)
    wrong: set[str] = set()
    asked: set[str] = set()
    for key, answer in answers.items():
        truth = made.asset_of[key]
        answer = made.same_as.get(answer, answer) if answer else answer  # noqa: PLW2901
        left = answer == CONFLICT
        if answer is not None and not left:
            tally.matched += 1
            tally.matched_right += answer == truth
            if answer != truth:
                wrong.add(groups[key])
        machines[groups[key]].add(made.machine_of[key])
        if left:
            asked.add(groups[key])
        if key in made.contested:
            tally.contested += 1
            tally.contested_left += left
            continue
        if key in made.silent:
            tally.silent += 1
            tally.silent_left += answer is None
            tally.silent_asked += left
            continue
        tally.decidable += 1
        tally.right += answer == truth
        tally.needless += left
    mixed = {group for group, found in machines.items() if len(found) > 1}
    tally.wrongly_made += len(devices & {groups[key] for key in made.silent})
    tally.wrong_merges += len(wrong | (mixed - asked))
    tally.mixed += len(mixed & asked)


def _report(outcome: Outcome, name: str, tallies: dict[str, Tally]) -> None:
    mine = tallies[""]
    outcome.figures.append(
        Figure(name, mine.sightings, "sightings", f"{mine.assets:,} assets; {mine.decidable:,} decidable")
    )
    share = (mine.contested + mine.silent) / mine.sightings
    outcome.figures += [
        Figure("  undecidable", 100 * share, "%", f"{mine.contested:,} contested, {mine.silent:,} silent"),
        Figure("  silent, left unmatched", 100 * mine.silent_left / max(mine.silent, 1), "%"),
        Figure(
            "  of all undecidable (contested and silent), left as conflict",
            100 * (mine.contested_left + mine.silent_asked) / max(mine.contested + mine.silent, 1),
            "%",
            "silent ones can't be conflicts: nothing seen contradicts",
        ),
        Figure("  devices wrongly made of silent things", mine.wrongly_made, "devices"),
        Figure("  conflicts with sightings of two machines", mine.mixed, "entities"),
    ]
    for word, found in tallies.items():
        who = f"  {word or 'identity'}: "
        outcome.figures += [
            Figure(f"{who}precision", found.precision, ""),
            Figure(f"{who}recall of the decidable", found.recall, ""),
            Figure(f"{who}wrong merges", found.wrong_merges, "entities" if not word else "assets"),
        ]
    outcome.targets += [
        Target(f"{name}: wrong merges", mine.wrong_merges, 0),
        Target(f"{name}: precision", mine.precision, 0.999, at_most=False),
        Target(f"{name}: recall of the decidable", mine.recall, 0.97, at_most=False),
        Target(f"{name}: conflicts besides the undecidable, %", 100 * mine.needless / mine.decidable, 2),
        Target(f"{name}: contested left as conflict", mine.contested_left / mine.contested, 0.9, at_most=False),
    ]


def _speed(outcome: Outcome) -> None:
    """Profiles and verdicts of one large customer, and of one a quarter its size: seconds of one core, whatever else
    the machine does meanwhile.
    """
    small, few = _timed(LARGE // 4)
    large, many = _timed(LARGE)
    growth = large / small
    line = many * math.log(many) / (few * math.log(few))
    outcome.figures += [
        Figure("one customer, a quarter", small, "s", f"{few:,} sightings, {LARGE // 4:,} assets"),
        Figure("one customer", large, "s", f"{many:,} sightings, {LARGE:,} assets; profiles included"),
    ]
    outcome.targets += [
        Target(f"seconds at {LARGE:,} assets, {many:,} sightings", large, 30),
        Target("growth from n to 4n / that of n log n", growth / line, 1.0),
    ]


def _timed(size: int) -> tuple[float, int]:
    (made,) = make(7, size, USUAL, customers=1)
    best = math.inf
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        ours(made)
        best = min(best, time.process_time() - began)
    return best, len(made.sightings)


def wrong(made: Made) -> Sequence[tuple[str, str | None, str | None, str]]:
    """For whoever mends the rules: (sighting, answer, truth, what the generator says) of all that did not go right."""
    answers = ours(made).answers
    return [
        (key, answer, made.asset_of[key], made.contested.get(key) or ("silent" if key in made.silent else ""))
        for key, answer in answers.items()
        if (answer == CONFLICT) != (key in made.contested) or answer not in (CONFLICT, made.asset_of[key])
    ]
