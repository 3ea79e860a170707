"""Every exercise once more, with a switch for each known mistake."""

from . import (
    categorical,
    conjugate_gradient,
    diagnostics,
    draws,
    fisher,
    gae,
    gaussian,
    gaussian_kl,
    layers,
    networks,
    normalize,
    optimizers,
    orthogonal,
    policy_gradient,
    ppo,
    ratio,
    returns,
    softmax,
    surrogate,
    values,
)

FAMILIES = (
    layers,
    networks,
    orthogonal,
    softmax,
    categorical,
    draws,
    fisher,
    gaussian,
    gaussian_kl,
    returns,
    gae,
    normalize,
    ratio,
    policy_gradient,
    surrogate,
    values,
    ppo,
    diagnostics,
    optimizers,
    conjugate_gradient,
)
VARIANTS = {name: variant for family in FAMILIES for name, variant in family.VARIANTS.items()}
MISTAKES = {name: tuple(known) for family in FAMILIES for name, known in family.MISTAKES.items()}
