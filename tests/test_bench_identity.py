"""The made networks of the bench, and what identity makes of a small one."""

from __future__ import annotations

import ast
from pathlib import Path

from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Verdict
from bench import _made_judgement, _made_network, _made_world, identity
from bench._made_judgement import CONTESTED
from bench._made_network import make
from bench._made_world import ROUGH, USUAL
from bench.harness import Outcome


def test_the_same_seed_makes_the_same_world() -> None:
    (one,), (other,) = make(5, 300, USUAL, customers=1), make(5, 300, USUAL, customers=1)
    assert (one.sightings, one.assets, one.contested) == (other.sightings, other.assets, other.contested)


def test_customers_have_the_same_ranges_and_names() -> None:
    one, other = make(5, 600, USUAL, customers=2)
    names = [{asset.name for asset in made.assets} for made in (one, other)]
    addresses = [{a for s in made.sightings for a in s.identity.get("addresses", ())} for made in (one, other)]
    assert len(names[0] & names[1]) > 200
    assert len(addresses[0] & addresses[1]) > 100


def test_some_customers_have_two_dhcp_servers_and_two_scanners() -> None:
    sources = [{one.source for one in made.sightings} for made in make(5, 3000, USUAL, customers=10)]
    labels = {frozenset(one for one in each if ":" in one) for each in sources}
    assert frozenset({"dhcp:hq", "dhcp:branch", "nmap:hq", "nmap:branch"}) in labels
    assert frozenset() in labels


def test_living_machines_swap_names_and_a_new_machine_gets_the_name_of_a_retired_one() -> None:
    (made,) = make(5, 3000, ROUGH, customers=1)
    assets = {asset.name.lower(): asset.key for asset in made.assets}
    accounts = {
        f"{one.source}:{one.thing}": assets.get(name.partition(".")[0].lower())
        for one in made.sightings
        if one.source == "mdm"
        for name in one.identity["names"]
    }
    of_another = {made.asset_of[key]: named for key, named in accounts.items() if named != made.asset_of[key]}
    swapped = [key for key, named in of_another.items() if key and named and of_another.get(named) == key]
    assert len(swapped) > 3
    answers = identity.ours(made).answers
    assert {answers[key] for key in accounts if made.asset_of[key] in swapped} & set(swapped)
    assert len([named for key, named in of_another.items() if key is None and named]) >= 1


def test_every_sighting_has_a_truth_and_a_word_that_is_explained() -> None:
    (made,) = make(5, 1500, ROUGH, customers=1)
    keys = {f"{one.source}:{one.thing}" for one in made.sightings}
    assert len(keys) == len(made.sightings)
    assert keys == set(made.machine_of) == set(made.asset_of)
    assert set(made.contested.values()) <= set(CONTESTED)
    assert not made.silent & set(made.contested)


def test_the_world_knows_nothing_of_the_resolver() -> None:
    for module in (_made_network, _made_judgement, _made_world):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not any(".identity" in name for name in imported)


def test_nothing_is_merged_wrongly_and_the_baselines_do_merge() -> None:
    judges = {"": identity.ours, "by name": identity.by_name, "first key": identity.first_key}
    tallies = identity.tally([6], ROUGH, judges, 3000)
    mine = tallies[""]
    assert mine.wrong_merges == 0
    assert mine.precision >= 0.999
    assert mine.recall >= 0.97
    assert mine.contested_left / mine.contested >= 0.9
    assert mine.silent_left + mine.silent_asked == mine.silent > mine.wrongly_made > 0
    assert all(tallies[name].wrong_merges > 10 for name in ("by name", "first key"))


def test_what_one_reconciliation_matched_the_next_matches_and_the_one_after_says_the_same() -> None:
    learnt = 0
    for made in make(6, 1500, ROUGH):
        first, owners = identity.reconciled(made, {})
        again, more = identity.reconciled(made, owners)
        matched = {one.key: one.sightings for one in again.of(Verdict.MATCHED)}
        assert all(set(one.sightings) <= set(matched[one.key]) for one in first.of(Verdict.MATCHED))
        assert identity.reconciled(made, more) == (again, more)
        learnt += len(owners)
    assert learnt > 1000


def test_what_is_left_of_all_undecidable_is_printed_beside_what_is_left_of_the_contested() -> None:
    outcome = Outcome("identity")
    identity._report(outcome, "small", {"": identity.tally([6], ROUGH, {"": identity.ours}, 500)[""]})
    (all_of_them,) = [one for one in outcome.figures if "all undecidable" in one.name]
    assert 0 < all_of_them.value < 90
    assert "nothing seen contradicts" in all_of_them.note
    assert any("wrongly made of silent things" in one.name for one in outcome.figures)
