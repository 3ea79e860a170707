"""What the programs 01 to 14 of this folder share: their options, an interval, a small figure.

Each has a `measure(seed, runs)`, which returns the numbers of its claim, a `tell` that prints them
and a `draw` that makes a figure of them. Its last line hands the three to `run`.
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np

from npppo.training.checkpoint import write_atomically
from npppo.training.threads import one_blas_thread

STUDENT = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26]  # t for 95 %, of 2 to 10 samples


def interval(samples):
    """The 95 % interval of the mean of independent samples (runs, ...): (2, ...), low and high."""
    samples, n = np.asarray(samples), len(samples)  # (runs, ...)
    t = STUDENT[n - 2] if n <= 10 else 1.96 + 2.5 / (n - 1)
    half = t * samples.std(axis=0, ddof=1) / n**0.5  # (...)
    return np.stack([samples.mean(axis=0) - half, samples.mean(axis=0) + half])  # (2, ...)


def run(measure, tell, draw, runs, fewest=2):
    """The program: its options, its numbers, and its figure if one is asked for."""
    notebook = "ipykernel" in sys.modules  # which has a command line of its own
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=runs, help=f"repetitions (default {runs})")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw it: .svg, .png or .pdf")
    options = parser.parse_args([] if notebook else None)
    if options.runs < fewest:
        parser.error(f"--runs is {options.runs}, expected {fewest} or more: an interval needs them")
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}, expected 0 or more")
    if options.figure and options.figure.suffix not in (".svg", ".png", ".pdf"):
        parser.error(f"--figure is {options.figure}, expected a name that ends in .svg, .png, .pdf")
    if options.figure and not options.figure.parent.is_dir():  # said now, not after the work
        parser.error(f"--figure is {options.figure}, expected a name in a folder that exists")
    pyplot = None
    if options.figure or notebook:
        try:
            from matplotlib import pyplot
        except ImportError:
            if options.figure:
                parser.error("--figure needs matplotlib: pip install 'npppo[plot]'")
    with one_blas_thread():  # the arrays are small, and a second thread would only wait
        numbers = measure(options.seed, options.runs)
    tell(numbers)
    if pyplot:
        pyplot.rcParams["svg.fonttype"] = "none"  # text stays text, so that the file stays small
        pyplot.rcParams["svg.hashsalt"] = "npppo"  # and the same from run to run
        figure = pyplot.figure(figsize=(9, 3.6), layout="constrained")
        draw(figure, numbers)
        if options.figure:
            picture = io.BytesIO()
            dated = {"Date": None} if options.figure.suffix == ".svg" else None
            figure.savefig(picture, format=options.figure.suffix[1:], dpi=100, metadata=dated)
            try:
                write_atomically(options.figure, lambda file: file.write(picture.getvalue()))
            except OSError as error:
                parser.error(f"cannot write {options.figure}: {error.strerror}")
