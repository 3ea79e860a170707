"""What the policy learns by, each a mean over the batch: from the policy gradient to the clip.

The story in three steps. The policy-gradient loss may be used for one step only: its gradient is
right at the policy that drew the data. The importance ratio corrects for the actions that a moved
policy would take, so that a batch can be used again: the surrogate. It does not correct for the
states that this policy would visit, and the further it moves, the less the sample says. TRPO bounds
the whole move from outside. PPO's clip removes the reason to move a ratio further than 1 ± clip,
and its relatives differ in how: with other limits, with one limit more, or with a pull back in
place of a limit.

Â is the advantage, an estimate, used as given and not normalised; it is data, as the old policy is.

A mean over no rows is nan, and its gradient is empty.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .shapes import Array, Cache, formula

Forward = Callable[..., tuple[Array, Cache]]
Backward = Callable[[float, Cache], Array]


@formula("log_prob:N old_log_prob:N -> N by log_prob")
def importance_ratio(log_prob: Array, old_log_prob: Array) -> tuple[Array, Cache]:
    """Importance ratio r = π(a|s) / π_old(a|s) = exp(log_prob - old_log_prob).

    Shapes: log_prob (N,), old_log_prob (N,) -> (N,). The old policy is data: there is no gradient
    with respect to it.

    It makes the old policy's samples speak for the new one. With Â = the advantage of action a in
    state s, the mean of r Â over the actions of π_old is Σ_a π_old(a|s) r Â = Σ_a π(a|s) Â, the
    mean of Â over the actions of π. The states remain those that π_old has visited.

    Holds also where both probabilities underflow to 0.

    Derivation: ∂exp(x)/∂x = exp(x), hence dlog_prob = dratio · ratio.
    Source: Schulman et al. 2017, section 3.
    """
    ratio = np.exp(log_prob - old_log_prob)  # (N,)
    return ratio, (ratio,)


def importance_ratio_backward(dratio: Array, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `importance_ratio`."""
    (ratio,) = cache
    # forward: ratio = exp(log_prob - old_log_prob)
    return dratio * ratio  # (N,)


@formula("log_prob:N advantages:N -> () by log_prob")
def policy_gradient_loss(log_prob: Array, advantages: Array) -> tuple[Array, Cache]:
    """Loss whose gradient is minus the policy gradient: -1/N Σ_i log_prob_i Â_i, Â = advantages.

    Shapes: log_prob (N,), advantages (N,) -> (). The advantages are used as given, not normalised,
    and are data: there is no gradient with respect to them.

    Its value says nothing about how good the policy is; only its gradient does.

    Derivation: linear in log_prob, hence dlog_prob_i = -dloss Â_i / N. It is the policy gradient
    because ∇π = π ∇log π, so that the samples of π average what is wanted:

        ∇ Σ_a π(a|s) Â = Σ_a π(a|s) ∇log π(a|s) Â

    A baseline V(s), the same for all actions, may be subtracted from the returns to lower their
    variance. It adds nothing on average: Σ_a π(a|s) ∇log π(a|s) = ∇ Σ_a π(a|s) = ∇1 = 0.
    r Â has the same gradient at r = 1, so PPO's first step is a policy-gradient step.

    Source: Williams 1992; Schulman et al. 2017, eq. 2, negated.
    """
    return -(log_prob * advantages).sum() / len(log_prob), (advantages,)  # ()


def policy_gradient_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `policy_gradient_loss`."""
    (advantages,) = cache
    # forward: loss = -1/N Σ log_prob Â
    return advantages * (-dloss / max(1, len(advantages)))  # (N,)


@formula("log_prob:N old_log_prob:N advantages:N -> () by log_prob")
def surrogate_loss(log_prob: Array, old_log_prob: Array, advantages: Array) -> tuple[Array, Cache]:
    """The surrogate of the expected return as a loss, without a clip: -1/N Σ_i r_i Â_i.

    Shapes: log_prob (N,), old_log_prob (N,), Â = advantages (N,) -> (). There is a gradient with
    respect to log_prob only. r = exp(log_prob - old_log_prob).

    To first order it tells how much better a policy close to the old one is. TRPO minimises it
    within a bound on the KL divergence; by itself nothing keeps the ratios from growing.

    Derivation: ∂r/∂log_prob = r, hence dlog_prob_i = -dloss r_i Â_i / N. At r = 1 that is the
    policy gradient.

    Source: Schulman et al. 2015, eq. 14, negated, with advantages for Q.
    """
    ratio, _ = importance_ratio(log_prob, old_log_prob)  # (N,)
    weighted = ratio * advantages  # (N,)
    return -weighted.sum() / len(weighted), (weighted,)  # ()


def surrogate_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `surrogate_loss`."""
    (weighted,) = cache
    # forward: loss = -1/N Σ r Â, and ∂(r Â)/∂log_prob = r Â
    return weighted * (-dloss / max(1, len(weighted)))  # (N,)


def _branches(
    ratio: Array, advantages: Array, low: float, high: float
) -> tuple[Array, Array, Array]:
    """r Â, c Â with c = r limited to low … high, and where the first is the smaller; (N,) each."""
    clipped_ratio = np.minimum(np.maximum(ratio, low), high)  # (N,)
    unclipped = ratio * advantages  # (N,)
    clipped = clipped_ratio * advantages  # (N,)
    # the real parts decide, so that a complex step takes the branch of the point it probes
    return unclipped, clipped, unclipped.real <= clipped.real


@formula("log_prob:N old_log_prob:N advantages:N clip -> () by log_prob")
def clipped_surrogate_loss(
    log_prob: Array, old_log_prob: Array, advantages: Array, clip: float
) -> tuple[Array, Cache]:
    r"""PPO's clipped surrogate as a loss: -1/N Σ_i min(r_i Â_i, c_i Â_i).

        r = exp(log_prob - old_log_prob)        c = r limited to 1 - clip … 1 + clip

    Shapes: log_prob (N,), old_log_prob (N,), Â = advantages (N,) -> (). The advantages are used as
    given, not normalised. There is a gradient with respect to log_prob only.

    Moves in the wrong direction always count in full (r Â is kept, and its gradient leads back),
    but there is nothing to gain from making a good action more than 1 + clip times as likely as
    before, or a bad one less than 1 - clip times as likely.

    Derivation: which branch the minimum takes, and with it the gradient, depends on the sign of Â
    and on the side of the band 1 - clip ≤ r ≤ 1 + clip on which r lies:

                    r < 1 - clip        in the band     r > 1 + clip
        Â > 0       r Â                 equal           clipped: 0
        Â = 0       both 0              both 0          both 0
        Â < 0       clipped: 0          equal           r Â

    The smaller of the two against r, for Â > 0 and for Â < 0 (figure 1 of the paper):

        |       .-------            |  1 - clip
        |     /                     +----:------------- r
        |   /                       |    :
        | /                         |----.
        +-------:------- r          |      \
             1 + clip               |        \

    Where the unclipped branch wins, ∂(r Â)/∂r = Â and ∂r/∂log_prob = r; where the
    clipped one does, it is constant:

        dlog_prob_i = -dloss/N · r_i Â_i   where r_i Â_i ≤ c_i Â_i, and 0 elsewhere

    The ratio 1.8 is clipped. The ratio 0.4 is a move in the wrong direction and counts in full:

        >>> log_prob, old_log_prob = np.log([0.9, 0.2]), np.log([0.5, 0.5])
        >>> loss, cache = clipped_surrogate_loss(log_prob, old_log_prob, np.ones(2), 0.2)
        >>> clipped_surrogate_loss_backward(1.0, cache).round(6)
        array([-0. , -0.2])

    Convention at the kink: on a tie the unclipped branch r Â wins, so the gradient flows at
    r = 1 ± clip. In the band between these both branches are equal and the same rule covers it.

    Source: Schulman et al. 2017, eq. 7, negated, with ε = clip.
    """
    ratio, _ = importance_ratio(log_prob, old_log_prob)  # (N,)
    unclipped, clipped, flows = _branches(ratio, advantages, 1 - clip, 1 + clip)  # (N,) each
    loss = -np.where(flows, unclipped, clipped).sum() / len(ratio)  # ()
    return loss, (unclipped, flows)


def clipped_surrogate_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `clipped_surrogate_loss`."""
    unclipped, flows = cache
    # forward: loss = -1/N Σ min(r Â, clip(r) Â), and ∂(r Â)/∂log_prob = r Â
    return np.where(flows, unclipped, 0) * (-dloss / max(1, len(flows)))  # (N,)


@formula("log_prob:N old_log_prob:N advantages:N clip_low clip_high bound -> () by log_prob")
def dual_clip_loss(
    log_prob: Array,
    old_log_prob: Array,
    advantages: Array,
    clip_low: float,
    clip_high: float,
    bound: float,
) -> tuple[Array, Cache]:
    """The clipped surrogate with two limits of its own and a third one for bad actions.

        loss = -1/N Σ_i J_i         J = min(r Â, c Â),                      where Â ≥ 0
                                    J = max( min(r Â, c Â), bound · Â ),    where Â < 0

        r = exp(log_prob - old_log_prob)    c = r limited to 1 - clip_low … 1 + clip_high

    Shapes: log_prob (N,), old_log_prob (N,), Â = advantages (N,) -> (). `bound` is more than 1, or
    inf for none. There is a gradient with respect to log_prob only.

    With the higher limit further off, rare good actions have room to become likely (DAPO: 0.2 and
    0.28), as 1.2 times hardly anything is hardly anything. The bound is for r far above 1 beside
    Â < 0, where r Â has no limit and one sample may rule the whole batch (dual clip: 3). With equal
    limits and bound = inf this is `clipped_surrogate_loss`, bit for bit.

    Derivation: as of `clipped_surrogate_loss`, and where the bound counts J is constant:

                    r < 1 - clip_low    between     r > 1 + clip_high       r > bound
        Â > 0       r Â                 r Â         clipped: 0              clipped: 0
        Â < 0       clipped: 0          r Â         r Â                     bounded: 0

        dlog_prob_i = -dloss/N · r_i Â_i   where r Â counts, and 0 elsewhere

    Conventions at the kinks: on a tie r Â wins, so the gradient flows at r = 1 - clip_low,
    r = 1 + clip_high and r = bound.

    Raises ValueError unless `bound` is more than 1.
    Source: Ye et al. 2020, eq. 5, negated, with c = bound; Yu et al. 2025 for the two limits, with
    ε_low = clip_low and ε_high = clip_high.
    """
    if not bound > 1:
        raise ValueError(f"bound is {bound}, expected more than 1")
    ratio, _ = importance_ratio(log_prob, old_log_prob)  # (N,)
    unclipped, clipped, flows = _branches(ratio, advantages, 1 - clip_low, 1 + clip_high)
    objective = np.where(flows, unclipped, clipped)  # (N,)
    bounded = (advantages < 0) & (ratio.real > bound)  # (N,) bool
    objective[bounded] = bound * advantages[bounded]
    return -objective.sum() / len(ratio), (unclipped, flows & ~bounded)  # ()


def dual_clip_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `dual_clip_loss`."""
    # forward: loss = -1/N Σ J, where J is r Â or constant
    return clipped_surrogate_loss_backward(dloss, cache)  # (N,)


@formula("log_prob:N old_log_prob:N advantages:N clip -> () by log_prob")
def spo_loss(
    log_prob: Array, old_log_prob: Array, advantages: Array, clip: float
) -> tuple[Array, Cache]:
    """Simple policy optimisation: the surrogate with a quadratic pull in place of the clip.

        loss = -1/N Σ_i ( r_i Â_i - |Â_i| / (2 clip) · (r_i - 1)² )

    Shapes: log_prob (N,), old_log_prob (N,), Â = advantages (N,) -> (). There is a gradient with
    respect to log_prob only. r = exp(log_prob - old_log_prob).

    The clip stops pushing a ratio that has reached 1 ± clip, and lets it drift on. Here each term
    is a parabola whose top is there, at r = 1 + clip where Â > 0 and at r = 1 - clip where Â < 0,
    so that a ratio beyond it is pulled back. It has no kink.

    Derivation: the derivative of a term by r is Â - |Â| (r - 1) / clip, and ∂r/∂log_prob = r:

        dlog_prob_i = -dloss/N · r_i ( Â_i - |Â_i| (r_i - 1) / clip )

    Raises ValueError unless `clip` is more than 0.
    Source: Xie et al. 2025, negated, with ε = clip.
    """
    if not clip > 0:
        raise ValueError(f"clip is {clip}, expected more than 0")
    ratio, _ = importance_ratio(log_prob, old_log_prob)  # (N,)
    moved = ratio - 1  # (N,)
    pull = abs(advantages) / clip * moved  # (N,)
    objective = ratio * advantages - pull * moved / 2  # (N,)
    return -objective.sum() / len(ratio), (ratio * (advantages - pull),)  # ()


def spo_loss_backward(dloss: float, cache: Cache) -> Array:
    """Gradient `dlog_prob` of `spo_loss`."""
    (slope,) = cache  # (N,), r (Â - |Â| (r - 1) / clip)
    # forward: loss = -1/N Σ r Â - |Â| / (2 clip) (r - 1)²
    return slope * (-dloss / max(1, len(slope)))  # (N,)


# What an update may follow: the loss and its backward. The penalties add a KL divergence to it.
OBJECTIVES: dict[str, tuple[Forward, Backward]] = {
    "clip": (clipped_surrogate_loss, clipped_surrogate_loss_backward),
    "dual_clip": (dual_clip_loss, dual_clip_loss_backward),
    "spo": (spo_loss, spo_loss_backward),
    "none": (surrogate_loss, surrogate_loss_backward),
    "penalty": (surrogate_loss, surrogate_loss_backward),
    "adaptive_penalty": (surrogate_loss, surrogate_loss_backward),
}
