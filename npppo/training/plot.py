"""Learning curves, drawn with matplotlib: to be read on a slide, in print and without colour."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from .checkpoint import write_atomically
from .curves import BANDS, Group, curve

PANELS = {
    "return": "return, mean of the last 100 episodes",
    "explained_variance": "explained variance",
    "entropy": "entropy (nats)",
    "kl": "KL(old ‖ new) of the update (nats)",
    "clip_fraction": "clip fraction",
    "value_loss": "value loss",
}
# Okabe & Ito 2008: told apart by people who see red and green alike, yellow left out on white
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
DASHES: list[Any] = ["-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (9, 2))]
SIZES: dict[Any, Any] = {
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.labelsize": 14,
    "legend.fontsize": 14,
    "figure.titlesize": 16,
    "lines.linewidth": 2.5,
    "svg.fonttype": "none",  # text stays text
}


def expect_drawable(output: Path) -> None:
    """Raise ValueError, before the work is done, where nothing can be drawn in such a file."""
    try:
        from matplotlib import backend_bases
    except ImportError:
        raise ValueError(
            "plotting needs matplotlib, which is not installed: pip install 'npppo[plot]'"
        ) from None
    known = backend_bases.FigureCanvasBase.get_supported_filetypes()
    if _format(output) not in known:
        raise ValueError(
            f"cannot write the plot {output}: its format is {_format(output)!r}, expected one of "
            f"{', '.join(sorted(known))}"
        )


def _format(output: Path) -> str:
    return output.suffix[1:].lower() or "png"


def plot(groups: list[Group], output: Path, center: str = "mean", band: str = "interval") -> None:
    """Draw the progress of groups of runs into `output`, in the format of its suffix."""
    expect_drawable(output)
    import matplotlib

    matplotlib.use("Agg")  # a file is drawn, so no screen is needed
    from matplotlib import pyplot, ticker

    columns = [
        name for name in PANELS if any(name in rows[0] for one in groups for rows in one.runs)
    ]
    with matplotlib.rc_context(SIZES):
        figure, axes = pyplot.subplots(
            *(-(-len(columns) // 3), 3), figsize=(13.33, 7.5), layout="constrained", squeeze=False
        )
        for column, axis in zip(columns, axes.flat, strict=False):
            for number, group in enumerate(groups):
                line = curve(group, column, center, band)
                style = {"color": COLOURS[number % len(COLOURS)]}
                dashes = DASHES[number % len(DASHES)]
                axis.plot(line.steps, line.center, linestyle=dashes, label=group.label, **style)
                axis.fill_between(line.steps, line.low, line.high, alpha=0.2, lw=0, **style)
            axis.set_title(PANELS[column])
            axis.grid(alpha=0.3)
            axis.set_xlabel("environment steps")
            axis.xaxis.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axis.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
        for axis in axes.flat[len(columns) :]:
            axis.remove()
        figure.suptitle(title(groups, center, band))
        if len(groups) > 1:
            figure.legend(
                *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3
            )
        picture = io.BytesIO()
        try:
            figure.savefig(picture, dpi=110, format=_format(output))
            write_atomically(output, lambda file: file.write(picture.getvalue()))
        except (OSError, ValueError) as error:
            raise ValueError(f"cannot write the plot {output}: {error}") from None
        finally:
            pyplot.close(figure)


def title(groups: list[Group], center: str, band: str) -> str:
    """What all have in common, and what line and band are."""
    words = []
    for name in ("env", "algorithm"):
        if len({group.config[name] for group in groups}) == 1:
            words.append(str(groups[0].config[name]))
    numbers = sorted({len(group.runs) for group in groups})
    if numbers != [1]:
        seeds = "–".join(map(str, {numbers[0]: 0, numbers[-1]: 0}))
        words.append(f"{center.replace('iqm', 'IQM')} of {seeds} seeds, {BANDS[band]}")
    return ", ".join(words)
