"""npppo: Proximal Policy Optimization with nothing between the reader and the mathematics."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .contract import *
    from .training.evaluate import *
    from .training.learner import *
    from .training.sweep import *

# Loaded on first use, not here: the commands must choose the number of BLAS threads before NumPy
# is imported, and whoever wants one formula need not wait for the rest.
# the formulas; the trainer; the evaluation; many runs
HOMES = (
    "npppo.contract",
    "npppo.training.learner",
    "npppo.training.evaluate",
    "npppo.training.sweep",
)


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [public for home in HOMES for public in import_module(home).__all__]
    for home in HOMES:
        if name in import_module(home).__all__:
            globals()[name] = getattr(import_module(home), name)
            return globals()[name]
    if not name.startswith("_") and find_spec(f"npppo.{name}"):
        return import_module(f"npppo.{name}")
    raise AttributeError(f"module 'npppo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
