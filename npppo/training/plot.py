"""Learning curves of runs, drawn with matplotlib."""

from __future__ import annotations

import io
from math import nan
from pathlib import Path

from .checkpoint import write_atomically
from .run import read_config, read_progress

PANELS = {
    "return": "return, mean of the last 100 episodes",
    "explained_variance": "explained variance",
    "entropy": "entropy (nats)",
    "kl": "KL(old ‖ new) of the update (nats)",
    "clip_fraction": "clip fraction",
    "value_loss": "value loss",
}


def plot(folders: list[Path], output: Path) -> None:
    """Draw the progress of the runs in `folders` side by side into `output`."""
    try:
        import matplotlib
    except ImportError:
        raise ValueError(
            "plotting needs matplotlib, which is not installed: pip install 'npppo[plot]'"
        ) from None
    runs = {folder: read_progress(folder) for folder in folders}
    for folder, rows in runs.items():
        if not rows:
            read_config(folder)
            raise ValueError(f"{folder} has no progress to plot yet")

    matplotlib.use("Agg")  # a file is drawn, so no screen is needed
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(13, 6.5), layout="constrained", sharex=True)
    for axis, (column, title) in zip(axes.flat, PANELS.items(), strict=True):
        for folder, rows in runs.items():
            curve = [(float(row["timesteps"]), float(row.get(column, nan))) for row in rows]
            axis.plot(*zip(*curve, strict=True), label=str(folder), linewidth=1.2)
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
        axis.ticklabel_format(axis="x", style="sci", scilimits=(0, 4))
    for axis in axes[-1]:
        axis.set_xlabel("environment steps")
    axes[0, 0].legend(fontsize=8)
    picture = io.BytesIO()
    try:
        figure.savefig(picture, dpi=110, format=output.suffix[1:] or "png")
        write_atomically(output, lambda file: file.write(picture.getvalue()))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot write the plot {output}: {error}") from None
    finally:
        pyplot.close(figure)
