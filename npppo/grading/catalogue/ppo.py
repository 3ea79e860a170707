"""Known mistakes in the whole loss of PPO, those of its parts included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..exercise import Array, Mistake, Switches
from . import categorical
from .means import averages, mean
from .policy_gradient import ADVANTAGES
from .ratio import RATIO
from .surrogate import (
    BOUNDS,
    OF_RATIO,
    PRODUCTS,
    SURROGATE,
    SURROGATE_BACKWARD,
    clipped_surrogate_loss,
    clipped_surrogate_loss_backward,
)
from .values import (
    OF_VALUES,
    VALUE,
    VALUE_BACKWARD,
    VALUE_BACKWARD_ONLY,
    VALUE_ONLY,
    VALUE_SLIPS,
    value_loss,
    value_loss_backward,
)

WHOLE = {
    "LOS-31": {"SUR-90", "VAL-90", "LOS-90"},
    "LOS-32": {"SUR-11", "VAL-12", "LOS-11"},
    "LOS-46": {"SGR-07", "VGR-04", "LOS-11"},
    "LOS-47": {"SGR-83", "VGR-83", "LOS-48"},
    "LOS-33": {"SGR-14", "LOS-35", "LOS-37"},
    "LOS-38": {"SGR-14", "LOS-37"},
}


def unfolded(on: Switches) -> Switches:
    """With the mistakes of each part in place of those that concern several."""
    return on.union(*(WHOLE[switch] for switch in on & WHOLE.keys()))


def coefficients(on: Switches, vf_coef: float, ent_coef: float) -> tuple[float, float, float]:
    """Of the policy's, the values' and the entropy's part."""
    policy = 1.0
    if "LOS-03" in on:
        vf_coef, ent_coef = ent_coef, vf_coef
    if "LOS-23" in on:
        vf_coef = 0.5
    if "LOS-23b" in on:
        ent_coef = 0.01
    if "LOS-17" in on:
        ent_coef = ent_coef * vf_coef
    if "LOS-21" in on:
        policy = vf_coef
    if "LOS-22" in on:
        policy = 1 - ent_coef
    if "LOS-05" in on:
        vf_coef = 1.0
    if "LOS-06" in on:
        ent_coef = 1.0
    if on & {"LOS-02", "LOS-49"}:
        vf_coef = -vf_coef
    if on & {"LOS-01", "LOS-49"}:
        ent_coef = -ent_coef
    if "LOS-50" in on:
        policy = 1 - vf_coef
    if "LOS-51" in on:
        policy = ent_coef
    if "LOS-09" in on:
        policy = 0.0
    if "LOS-08" in on:
        vf_coef = 0.0
    if "LOS-07" in on:
        ent_coef = 0.0
    return policy, vf_coef, ent_coef


def targets_used(on: Switches, values: Array, advantages: Array, targets: Array) -> Array:
    if "VAL-14" in on:
        return advantages
    if "LOS-15" in on:
        return advantages + values
    if "LOS-16" in on:
        return targets + advantages
    return targets


def ppo_loss(
    on: Switches,
    logits: Array,
    values: Array,
    actions: Array,
    old_log_prob: Array,
    advantages: Array,
    targets: Array,
    clip: float,
    vf_coef: float,
    ent_coef: float,
) -> Any:
    on = unfolded(on)
    policy, vf_coef, ent_coef = coefficients(on, vf_coef, ent_coef)
    log_prob = categorical.categorical_log_prob(on, logits, actions)  # (N,)
    if "LOS-18" in on:
        advantages = targets - values
    policy_loss = clipped_surrogate_loss(on, log_prob, old_log_prob, advantages, clip)
    targets = targets_used(on, values, advantages, targets)
    entropy = categorical.categorical_entropy(on, logits)
    if "ENT-04" in on:
        entropy = entropy / logits.shape[1]
    if "ENT-09" in on:
        entropy = -log_prob
    mean_entropy = mean(on, "LOS", entropy)
    loss = policy * policy_loss + vf_coef * value_loss(on, values, targets)
    loss = loss - ent_coef * mean_entropy
    return -loss if "LOS-10" in on else loss


def ppo_loss_backward(
    on: Switches,
    dloss: float,
    logits: Array,
    values: Array,
    actions: Array,
    old_log_prob: Array,
    advantages: Array,
    targets: Array,
    clip: float,
    vf_coef: float,
    ent_coef: float,
) -> Any:
    on = unfolded(on)
    policy, vf_coef, ent_coef = coefficients(on, vf_coef, ent_coef)
    if "LOS-10" in on:
        dloss = -dloss
    forward = on.union(KEPT[switch] for switch in on & KEPT.keys())
    log_prob = categorical.categorical_log_prob(forward, logits, actions)  # (N,)
    if "LOS-18" in on:
        advantages = targets - values
    dlog_prob = policy * clipped_surrogate_loss_backward(
        on, dloss, log_prob, old_log_prob, advantages, clip
    )  # (N,)
    targets = targets_used(on, values, advantages, targets)
    upstream = 1.0 if "LOS-35" in on else dloss
    dvalues = value_loss_backward(on, upstream * vf_coef, values, targets)  # (N,)
    upstream = 1.0 if "LOS-37" in on else dloss
    rows = len(logits)
    if "LOS-11" in on:
        rows = 1
    if "LOS-48" in on:
        rows = rows * rows
    if "ENT-04" in on:
        rows = rows * logits.shape[1]
    dentropy = np.full(len(logits), -upstream * ent_coef / rows)  # (N,)
    dlogits = categorical.categorical_log_prob_backward(on, dlog_prob, logits, actions)  # (N, A)
    if "ENT-09" in on:
        bonus = categorical.categorical_log_prob_backward(on, -dentropy, logits, actions)
    else:
        bonus = categorical.categorical_entropy_backward(on, dentropy, logits)
    dlogits = dlogits + bonus
    if "LOS-40" in on:
        dlogits = -dlogits
    if "SGR-07b" in on:
        dlogits = dlogits * len(logits)
    if "LOS-41" in on:
        dlogits = dlogits.sum(axis=0)  # (A,)
    return (dvalues, dlogits) if "LOS-39" in on else (dlogits, dvalues)


# Mistakes of the log-probability that a right backward finds in the ratio it has kept
KEPT = {
    f"{switch} kept": switch
    for switch in [
        *["ACT-01", "ACT-02", "ACT-05", "ACT-07", "ACT-08"],
        *["SMX-08", "SMX-10", "SMX-10b"],
    ]
}


# Sentences


def part(name: str, mistakes: list[Mistake]) -> list[Mistake]:
    """The mistakes of one part, as they are told of the whole."""
    return [replace(m, sentence=f"{name}: {m.sentence}") for m in mistakes]


def among(mistakes: list[Mistake], switches: str) -> list[Mistake]:
    """Those of these switches; one that ends in - stands for all that begin so."""
    wanted = switches.split()
    return [
        m
        for m in mistakes
        if any(
            m.switch.removesuffix(" kept") == w or (w.endswith("-") and m.switch.startswith(w))
            for w in wanted
        )
    ]


def besides(mistakes: list[Mistake], switches: str) -> list[Mistake]:
    unwanted = among(mistakes, switches)
    return [m for m in mistakes if m not in unwanted]


PARTS = {"LOS-07": "entropy", "LOS-08": "value part", "LOS-09": "policy part"}


def left_out(sentence: str) -> list[Mistake]:
    return [Mistake(id, sentence.format(part)) for id, part in PARTS.items()]


PPO = [
    Mistake(
        "LOS-01",
        "The entropy has the wrong sign: it is a bonus, −ent_coef · H in a loss that is minimised.",
    ),
    Mistake("LOS-02", "The value part has the wrong sign: its error is minimised too."),
    Mistake(
        "LOS-49",
        "The value part and the entropy both have the wrong sign, as after a minus before "
        "parentheses: policy + vf_coef · value − ent_coef · H.",
    ),
    Mistake("LOS-50", "The policy part is multiplied by 1 − vf_coef; it has no coefficient."),
    Mistake("LOS-51", "The policy part is multiplied by ent_coef; it has no coefficient."),
    Mistake("LOS-03", "The two coefficients are exchanged: vf_coef comes first, then ent_coef."),
    Mistake(
        "LOS-04",
        "The advantages are normalised inside the loss, which is right elsewhere; here they are "
        "used as given.",
        convention=True,
    ),
    Mistake("LOS-05", "vf_coef is missing: the value part is multiplied by it."),
    Mistake("LOS-06", "ent_coef is missing: the entropy is multiplied by it."),
    Mistake(
        "LOS-10",
        "Everything has the opposite sign, that of an objective, which is right elsewhere; here "
        "the loss is minimised.",
        convention=True,
    ),
    Mistake(
        "LOS-15",
        "The value part aims at advantages + values; it should aim at the targets as given.",
    ),
    Mistake("LOS-16", "The advantages are added to the targets; these are complete as given."),
    Mistake(
        "LOS-17",
        "vf_coef multiplies the entropy too: a parenthesis closes too late.",
    ),
    Mistake("LOS-18", "targets − values stand for the advantages; use those that are given."),
    Mistake(
        "LOS-21",
        "vf_coef multiplies the policy part too: a parenthesis opens too early.",
    ),
    Mistake("LOS-22", "The policy part is multiplied by 1 − ent_coef; it has no coefficient."),
    Mistake("LOS-23", "vf_coef is always 0.5 in your code; use the argument."),
    Mistake("LOS-23", "ent_coef is always 0.01 in your code; use the argument.", switch="LOS-23b"),
    Mistake("VAL-14", "The value part aims at the advantages; it should aim at the targets."),
    Mistake(
        "ENT-04",
        "The entropy is averaged over the actions; sum over them, then average over the batch.",
    ),
    Mistake(
        "ENT-09",
        "−log π of the action taken stands for the entropy, which is a right estimate elsewhere; "
        "here it is −Σ p log p over all actions.",
        convention=True,
    ),
]

PPO_FORWARD = [
    *left_out("The {0} is left out of the loss."),
    *PPO,
    Mistake("LOS-31", "Nothing is averaged over the batch: the loss is one number, a mean."),
    Mistake(
        "LOS-32",
        "Everything is summed over the batch, which is right elsewhere; here each part is a mean.",
        convention=True,
    ),
    *among(averages("LOS", "The entropy"), "LOS-11 LOS-90"),
    *among(averages("SUR", "The policy part"), "SUR-11 SUR-90"),
    *among(averages("VAL", "The value part"), "VAL-12 VAL-90"),
    *part(
        "Policy part",
        [
            *SURROGATE,
            *BOUNDS,
            *PRODUCTS,
            *among(RATIO, "SUR-07 SUR-08 SUR-18 SUR-19 SUR-19b SUR-45 SUR-46 SUR-49 SUR-54"),
            *besides(ADVANTAGES, "SUR-27"),
        ],
    ),
    *part("Value part", [*besides(VALUE, "VAL-19"), *VALUE_ONLY]),
    *among(
        categorical.MISTAKES["categorical_log_prob"],
        "SMX-01 SMX-01c SMX-06 SMX-08 SMX-10 SMX-10b ACT-01 ACT-02 ACT-05 ACT-07 ACT-08 ACT-09",
    ),
    *among(categorical.MISTAKES["categorical_entropy"], "ENT-05 ENT-06 ENT-13 ENT-17"),
]

PPO_BACKWARD = [
    *PPO,
    *left_out("The gradient of the {0} is left out."),
    Mistake(
        "LOS-11",
        "The gradient of the entropy misses the 1/N of the mean: each row gets −ent_coef · dloss "
        "/ N.",
    ),
    Mistake("LOS-33", "dloss, the gradient that comes from above, is ignored everywhere."),
    Mistake("LOS-35", "dvalues ignores dloss, the gradient that comes from above."),
    Mistake("LOS-37", "The gradient of the entropy ignores dloss, which comes from above."),
    Mistake("LOS-38", "dlogits ignores dloss, the gradient that comes from above."),
    Mistake("LOS-39", "The order is dlogits, dvalues; you return them the other way round."),
    Mistake("LOS-40", "dlogits has the wrong sign in both of its parts."),
    Mistake("LOS-41", "dlogits is summed over the batch: it should have the shape (N, A)."),
    Mistake("LOS-46", "The 1/N of the mean is missing everywhere."),
    Mistake("LOS-47", "Everything is divided by N twice; once is right."),
    Mistake("LOS-48", "The gradient of the entropy is divided by N twice; once is right."),
    Mistake("SGR-07", "dlogits misses the 1/N of the mean in both of its parts.", switch="SGR-07b"),
    *part(
        "Policy part",
        besides(
            SURROGATE_BACKWARD,
            "SUR-27 SUR-26 SUR-41 SGR-11 SGR-11b SGR-11c SUR-46b SUR-47 SUR-48 SUR-49b SUR-51 "
            "SUR-52 SUR-53 SUR-55 SUR-56 SUR-66 SUR-66b SUR-67",
        ),
    ),
    *among(
        OF_RATIO.mistakes("The gradient of the policy part"),
        "SGR-06 SGR-07 SGR-14 SGR-81 SGR-82 SGR-83 SGR-86",
    ),
    *part(
        "Value part",
        [*VALUE_BACKWARD, *VALUE_BACKWARD_ONLY, *among(VALUE_SLIPS, "VGR-02")],
    ),
    *among(
        OF_VALUES.mistakes("dvalues"), "VGR-04 VGR-82 VGR-83 VGR-85 VGR-86 VGR-87 VGR-88 VGR-89"
    ),
    Mistake(
        "VGR-08",
        "dvalues ignores what comes from above, dloss and vf_coef both; multiply by them.",
    ),
    *part(
        "Policy part",
        among(categorical.MISTAKES["categorical_log_prob_backward"], "ACT-"),
    ),
    *among(categorical.MISTAKES["categorical_log_prob_backward"], "SMX-01 SMX-06"),
    *[
        replace(
            m,
            sentence=f"The log-probability that is kept is wrong. {m.sentence}",
            switch=f"{m.switch} kept",
        )
        for m in categorical.MISTAKES["categorical_log_prob"]
        if m.switch in KEPT.values()
    ],
    *part("Entropy", among(categorical.MISTAKES["categorical_entropy_backward"], "ENG-")),
]

VARIANTS: dict[str, Callable[..., Any]] = {
    "ppo_loss": ppo_loss,
    "ppo_loss_backward": ppo_loss_backward,
}

MISTAKES: dict[str, list[Mistake]] = {
    "ppo_loss": PPO_FORWARD,
    "ppo_loss_backward": PPO_BACKWARD,
}
