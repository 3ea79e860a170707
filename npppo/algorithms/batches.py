"""What every algorithm makes of a batch: advantages, targets, and its valid rows flattened."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..agents.heads import Distribution
from ..agents.rollout import Batch
from ..formulas.returns import gae
from ..formulas.shapes import Array


@dataclass(frozen=True)
class Rows:
    """A batch's N valid rows, flattened; their order means nothing."""

    observations: Array  # (N, D)
    actions: Array  # (N,) or (N, A)
    masks: Array | None  # (N, A) bool
    old_log_prob: Array  # (N,)
    old_values: Array  # (N,)
    advantages: Array  # (N,)
    targets: Array  # (N,)
    old_distribution: Distribution  # (N, A) each; a Gaussian's log_std is (A,)

    def __len__(self) -> int:
        return len(self.advantages)

    def chosen(self, which: Any) -> Rows:
        """The rows that an index, an order or a slice, picks out."""
        out, *own = self.old_distribution
        mask = None if self.masks is None else self.masks[which]
        return Rows(
            self.observations[which],
            self.actions[which],
            mask,
            self.old_log_prob[which],
            self.old_values[which],
            self.advantages[which],
            self.targets[which],
            (out[which], *own),
        )


def rows_of(batch: Batch, gamma: float, gae_lambda: float) -> Rows:
    """Advantages and value targets of a batch, and its valid rows flattened."""
    ends = (batch.terminated, batch.truncated)
    advantages = gae(batch.rewards, batch.values, batch.next_values, *ends, gamma, gae_lambda)
    targets = advantages + batch.values  # (T, E)

    def flat(array: Array) -> Array:  # (T, E, ...) -> (N, ...)
        return array[batch.valid]

    out, *own = batch.distribution
    return Rows(
        flat(batch.observations),
        flat(batch.actions),
        None if batch.masks is None else flat(batch.masks),
        flat(batch.log_probs),
        flat(batch.values),
        flat(advantages),
        flat(targets),
        (flat(out), *own),
    )


def minibatches(n: int, size: int, alone: bool = True) -> list[slice]:
    """`n` rows in pieces of `size`, the last one as small as it comes.

    Unless a row may stand `alone`, a last one joins the piece before.
    """
    starts = list(range(0, n, size))
    if not alone and len(starts) > 1 and starts[-1] == n - 1:
        starts.pop()
    return [slice(*ends) for ends in pairwise([*starts, n])]
