"""npppo: Proximal Policy Optimization with nothing between the reader and the mathematics."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .contract import *

# Loaded on first use, not here: the commands must choose the number of BLAS threads before NumPy
# is imported, and whoever wants one formula need not wait for the rest.


def __getattr__(name: str) -> Any:
    try:
        return getattr(import_module("npppo.contract"), name)
    except AttributeError:
        raise AttributeError(f"module 'npppo' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted([*globals(), *__getattr__("__all__")])
