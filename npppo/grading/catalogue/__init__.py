"""Every exercise once more, with a switch for each known mistake."""

from . import categorical, gaussian, layers, losses, optimizers, returns

FAMILIES = (layers, categorical, gaussian, returns, losses, optimizers)
VARIANTS = {name: variant for family in FAMILIES for name, variant in family.VARIANTS.items()}
MISTAKES = {name: tuple(known) for family in FAMILIES for name, known in family.MISTAKES.items()}
