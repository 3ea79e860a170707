"""One line that says how far a training or an evaluation is."""

from __future__ import annotations

import math
import sys
import time


class Line:
    """On a terminal updated in place, in a pipe printed now and then."""

    def __init__(self) -> None:
        self.in_place = sys.stdout is not None and sys.stdout.isatty()
        self.pause = 0.1 if self.in_place else 10.0  # seconds between two lines
        self.began = self.shown = time.perf_counter()
        self.text = self.printed = ""

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def show(self, text: str) -> None:
        """Show the line if it is time to."""
        self.text = text
        if time.perf_counter() - self.shown >= self.pause:
            self.shown = time.perf_counter()
            self._print()

    def close(self) -> None:
        """The last state of the line, whenever it was shown."""
        if self.text != self.printed:
            self._print()
        if self.text and self.in_place:
            print()

    def clear(self) -> None:
        """No line any more, on a terminal."""
        if self.text and self.in_place:
            print("\r\x1b[K", end="", flush=True)

    def _print(self) -> None:
        self.printed = self.text
        if self.in_place:
            print(f"\r\x1b[K{self.text}", end="", flush=True)
        else:
            print(self.text, flush=True)


class Progress(Line):
    """The line of a training of `total` steps, of which some are `done`."""

    def __init__(self, total: int, done: int = 0) -> None:
        super().__init__()
        self.total, self.done = total, done

    def update(self, row: dict[str, float]) -> None:
        """Show what is logged of an update."""
        steps = int(row["timesteps"])
        share = min(1.0, steps / self.total)
        speed = max(1.0, steps - self.done) / max(1e-9, self.seconds())
        left = max(0.0, self.total - steps) / speed
        # nan until the first episode has ended
        average = "-" if math.isnan(row["return"]) else f"{row['return']:.1f}"
        self.show(
            f"{share:4.0%}  {steps:,} steps  return {average}  "
            f"{speed:,.0f} steps/s  {_clock(left)} left"
        )


class ProgressOfMany(Line):
    """The line of many trainings, of which some steps are `done`."""

    def __init__(self, done: int) -> None:
        super().__init__()
        self.done = done

    def update(self, runs: int, finished: int, failed: int, steps: int, missing: int) -> None:
        """Show how many runs there are, how they stand, and the steps made and missing in all."""
        speed = (steps - self.done) / max(1e-9, self.seconds())
        left = _clock(missing / speed) if speed > 0 else "?" if missing else _clock(0)
        self.show(
            f"{finished} of {runs} done, {failed} failed  {steps:,} steps  {speed:,.0f} steps/s  "
            f"{left} left"
        )

    def say(self, text: str) -> None:
        """Something else, on a line of its own."""
        self.clear()
        print(text, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
