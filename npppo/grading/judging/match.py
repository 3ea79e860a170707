"""Which known mistake is it?

The student's results on the whole battery are compared with those of every variant. Only full
agreement names a mistake: an input that tells two apart is in the battery, or they are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from ..exercises.answers import no_result, variant_outcome
from ..exercises.compare import DOUBLE, SINGLE, Tolerance, close
from ..exercises.exercise import RIGHT, Case, Exercise, Mistake, Switches
from .attempt import laid_out, read_only

UNLIKELY = 200  # pairs that are tried although they explain only if they meddle with each other


def agree(a: Any, b: Any, tolerance: Tolerance) -> bool:
    """Whether two outcomes are the same; of calls that broke, how they did."""
    if no_result(a) or no_result(b):
        return a is b
    return close(a, b, tolerance)


class Variants:
    """What the variants of one exercise answer on one battery, each computed when first asked."""

    def __init__(self, exercise: Exercise, cases: Sequence[Case]) -> None:
        # two mistakes together may write into an argument, which others are still to be given
        self.exercise, self.cases = exercise, [laid_out(case, read_only) for case in cases]
        self.known: dict[tuple[Switches, int], Any] = {}

    def outcome(self, on: Switches, k: int) -> Any:
        if (on, k) not in self.known:
            self.known[on, k] = variant_outcome(self.exercise, on, self.cases[k])
        return self.known[on, k]

    def is_right(self, outcomes: Sequence[Any], k: int) -> bool:
        return agree(outcomes[k], self.outcome(RIGHT, k), SINGLE)

    def wrong(self, outcomes: Sequence[Any]) -> list[int]:
        """The cases that are wrong, failures aside."""
        known = [k for k, got in enumerate(outcomes) if not no_result(got)]
        return [k for k in known if not self.is_right(outcomes, k)]

    def telling(self, outcomes: Sequence[Any]) -> list[int]:
        """The cases that tell the mistake: those at the edges only where all others are right.

        At the edges everybody errs who takes no care, whatever else is wrong.
        """
        inside = [
            k
            for k, case in enumerate(self.cases)
            if case.stratum not in self.exercise.battery.edges
        ]
        if all(self.is_right(outcomes, k) for k in inside):
            return list(range(len(self.cases)))
        return inside

    def explaining(
        self, outcomes: Sequence[Any], candidates: Iterable[Switches], tolerance: Tolerance
    ) -> list[Switches]:
        """The candidates whose outcome is the given one in every case."""
        # most candidates are out at the first case that is wrong, so those come first
        order = sorted(self.telling(outcomes), key=lambda k: self.is_right(outcomes, k))
        return [
            on
            for on in candidates
            if all(agree(outcomes[k], self.outcome(on, k), tolerance) for k in order)
        ]

    def singles(self, outcomes: Sequence[Any]) -> list[Mistake]:
        """The single mistakes that explain all; several where no case tells them apart."""
        mistakes = self.exercise.mistakes
        if all(map(no_result, outcomes)):
            return []
        for tolerance in (DOUBLE, SINGLE):
            candidates = (frozenset([m.switch]) for m in mistakes)
            found = self.explaining(outcomes, candidates, tolerance)
            if found:
                return [m for m in mistakes if frozenset([m.switch]) in found]
        return []

    def pairs(self, outcomes: Sequence[Any]) -> list[Switches]:
        """The pairs of mistakes that explain all, where there is more to explain than failures."""
        wrong = self.wrong(outcomes)
        if not wrong:
            return []
        # Where one of two mistakes makes no difference, the other has to explain the case alone,
        # unless they meddle with each other.
        mistakes = self.exercise.mistakes
        on = {m.switch: self.outcome(frozenset([m.switch]), wrong[0]) for m in mistakes}
        right, got = self.outcome(RIGHT, wrong[0]), outcomes[wrong[0]]
        silent = {switch for switch in on if agree(right, on[switch], DOUBLE)}
        useless = {switch for switch in on if not agree(got, on[switch], DOUBLE)}
        likely: list[Switches] = []
        unlikely: list[Switches] = []
        for one, other in combinations(mistakes, 2):
            both = frozenset([one.switch, other.switch])
            if one.id != other.id:
                # one makes no difference and the other does not explain the case
                meddling = any(both - {quiet} <= useless for quiet in both & silent)
                (unlikely if meddling else likely).append(both)
        found = self.explaining(outcomes, likely, DOUBLE)
        return found or self.explaining(outcomes, unlikely[:UNLIKELY], DOUBLE)
