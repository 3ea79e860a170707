"""The inputs that every exercise is tried on."""

from ....contract import SPECIFICATIONS
from . import bernoulli, categorical, gaussian, layers, losses, optimizers, returns, surrogates
from .tables import backward

FAMILIES = (layers, categorical, bernoulli, gaussian, returns, surrogates, losses, optimizers)
BATTERIES = {name: battery for family in FAMILIES for name, battery in family.BATTERIES.items()}
# of a backward that has none of its own
BATTERIES = {
    f"{name}_backward": backward(name, battery)
    for name, battery in BATTERIES.items()
    if name in SPECIFICATIONS and SPECIFICATIONS[name].by
} | BATTERIES
