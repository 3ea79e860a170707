"""Whose error is it? Ours are one sentence; those of somebody's own code keep their traceback."""

from __future__ import annotations

import sys
import traceback

# npppo, and what it calls by itself
OURS = {
    *("npppo", "numpy", "gymnasium", "matplotlib", "PIL", "hypothesis"),
    *("pygame", "moviepy", "decorator", "proglog", "imageio_ffmpeg"),  # a window, a film
}


def is_others(error: BaseException) -> bool:
    """Whether code that is not ours took part, such as somebody's own environment.

    Looks at the frames between where the error is caught, which is where this is called, and where
    it was raised, and at those of the error that led to it.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__")).split(".")[0]
        if package not in OURS and package not in sys.stdlib_module_names:
            return True
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return earlier is not None and is_others(earlier)


def one_line(error: BaseException) -> str:
    """What it says, on one line."""
    return " ".join(str(error).split())
