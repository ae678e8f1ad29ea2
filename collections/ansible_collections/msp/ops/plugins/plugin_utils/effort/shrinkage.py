# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Estimates of one thing at several customers, each drawn towards their mean as far as it is uncertain. Pure.

Empirical Bayes, normal in both stages: what is estimated at a customer lies around its true value with a known error,
the true values lie around a common mean with an unknown spread. The spread is not put at one value: it is averaged over
all that agree with the estimates (flat before them, as A. Gelman, Bayesian Analysis 1 (2006), recommends). With the one
best value, which is often 0 where customers are few, intervals would be too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, pstdev

# How often the true value lies within the interval.
LEVEL = 0.9
# Two estimates don't say how far true values lie apart; with three their spread can be averaged over.
LEAST = 3
# Spreads are tried up to so many times the widest thing seen, in so many steps.
_WIDEST, _STEPS = 5.0, 60
# One that agrees with the estimates less than this says nothing.
_NOTHING = 1e-7
# How near a limit is found, as a part of a standard deviation.
_CLOSE = 1e-6
_NORMAL, _ROOT = NormalDist(), math.sqrt(2)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was estimated at one customer, and its standard error, which is above 0."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The same, drawn towards the common mean. weight is the part in it that is the customer's own, 0 to 1."""

    mean: float
    low: float
    high: float
    weight: float
    common: float


def shrink(estimates: Sequence[Estimate]) -> tuple[Shrunk, ...]:
    """Each of at least LEAST estimates, drawn towards their common mean, with the interval of LEVEL."""
    if len(estimates) < LEAST:
        raise ValueError(f"{len(estimates)} estimates are too few to draw together")
    if not all(math.isfinite(one.value) and 0 < one.error < math.inf for one in estimates):
        raise ValueError("an estimate is a number with an error above 0")
    spreads = _spreads(estimates)
    common = math.fsum(spread.weight * spread.common for spread in spreads)
    return tuple(_shrunk(one, spreads, common) for one in estimates)


@dataclass(frozen=True, slots=True)
class _Spread:
    """A spread that the true values may have: how much it agrees with the estimates, and the common mean with it."""

    variance: float
    weight: float
    common: float
    uncertain: float  # the variance of the common mean


def _spreads(estimates: Sequence[Estimate]) -> list[_Spread]:
    widest = _WIDEST * max(pstdev(one.value for one in estimates), min(one.error for one in estimates))
    found: list[tuple[float, _Spread]] = []
    for step in range(_STEPS):
        variance = (widest * (step + 0.5) / _STEPS) ** 2
        total = [one.error**2 + variance for one in estimates]
        precision = math.fsum(1 / each for each in total)
        common = math.fsum(one.value / each for one, each in zip(estimates, total, strict=True)) / precision
        misfit = math.fsum((one.value - common) ** 2 / each for one, each in zip(estimates, total, strict=True))
        likelihood = -0.5 * (math.fsum(math.log(each) for each in total) + math.log(precision) + misfit)
        found.append((likelihood, _Spread(variance, 0.0, common, 1 / precision)))
    best = max(likelihood for likelihood, _spread in found)
    weights = [math.exp(likelihood - best) for likelihood, _spread in found]
    whole = math.fsum(weights)
    return [
        _Spread(spread.variance, weight / whole, spread.common, spread.uncertain)
        for weight, (_likelihood, spread) in zip(weights, found, strict=True)
        if weight > _NOTHING * whole
    ]


def _shrunk(one: Estimate, spreads: Sequence[_Spread], common: float) -> Shrunk:
    parts: list[tuple[float, float, float]] = []  # weight, mean and deviation of each spread's answer
    own = 0.0
    for spread in spreads:
        part = spread.variance / (spread.variance + one.error**2)
        mean = part * one.value + (1 - part) * spread.common
        parts.append((spread.weight, mean, math.sqrt(part * one.error**2 + (1 - part) ** 2 * spread.uncertain)))
        own += spread.weight * part
    return Shrunk(
        mean=math.fsum(weight * mean for weight, mean, _deviation in parts),
        low=_quantile((1 - LEVEL) / 2, parts),
        high=_quantile((1 + LEVEL) / 2, parts),
        weight=own,
        common=common,
    )


def _quantile(level: float, parts: Sequence[tuple[float, float, float]]) -> float:
    """Below which value the mixture of normal distributions lies as often as level says, by halving.

    It lies between the least and the greatest of what its parts say.
    """
    off = _NORMAL.inv_cdf(level)
    each = [mean + off * deviation for _weight, mean, deviation in parts]
    low, high = min(each), max(each)
    close = _CLOSE * min(deviation for _weight, _mean, deviation in parts)
    while high - low > close:
        middle = (low + high) / 2
        below = math.fsum(
            weight * math.erfc((mean - middle) / (deviation * _ROOT)) for weight, mean, deviation in parts
        )
        low, high = (middle, high) if below < 2 * level else (low, middle)
    return (low + high) / 2
