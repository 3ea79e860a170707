"""The inputs that every exercise is tried on."""

from . import categorical, gaussian, layers, losses, optimizers, returns

FAMILIES = (layers, categorical, gaussian, returns, losses, optimizers)
BATTERIES = {name: battery for family in FAMILIES for name, battery in family.BATTERIES.items()}
