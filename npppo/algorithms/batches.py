"""What the algorithms make of a batch: its valid rows with advantages, and what there is to log."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..agents.agent import Agent
from ..agents.heads import Distribution
from ..agents.rollout import Batch
from ..formulas.losses import approx_kl, clip_fraction, explained_variance
from ..formulas.returns import gae
from ..formulas.shapes import Array
from ..formulas.surrogates import importance_ratio


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


def how_far(agent: Agent, rows: Rows, clip: float) -> dict[str, float]:
    """How far the policy has moved from the one that drew the rows, over all of them; and how much
    of the targets' variance the values before the update explain.
    """
    if not len(rows):
        names = ("kl", "approx_kl", "clip_fraction", "max_ratio", "explained_variance")
        return dict.fromkeys(names, math.nan)
    distribution = agent.policy(rows.observations, rows.masks)
    (log_prob, _), _ = agent.head.evaluate(*distribution, rows.actions)  # (N,)
    kl, _ = agent.head.kl(*rows.old_distribution, *distribution)  # (N,)
    return {
        "kl": float(kl.mean()),
        "approx_kl": float(approx_kl(log_prob, rows.old_log_prob)),
        "clip_fraction": float(clip_fraction(log_prob, rows.old_log_prob, clip)),
        "max_ratio": float(importance_ratio(log_prob, rows.old_log_prob)[0].max()),
        "explained_variance": float(explained_variance(rows.old_values, rows.targets)),
    }
