"""What is logged of a training as event files, which TensorBoard reads.

The package tensorboard writes them, an optional extra. The tags are Stable-Baselines3's where it
has the quantity, so that both can be looked at side by side; the rest is train/ and its own name.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .learner import Learner

TAGS = {
    "return": "rollout/ep_rew_mean",
    "length": "rollout/ep_len_mean",
    "update": "time/iterations",
    "episodes": "time/episodes",
    "seconds": "time/time_elapsed",
    "steps_per_second": "time/fps",
    "policy_loss": "train/policy_gradient_loss",
}


def event_files(folder: Path) -> list[Path]:
    """The event files in `folder`, oldest first."""
    return sorted(folder.glob("events.out.tfevents.*"))


def expect_installed() -> None:
    """Raise ValueError where there is nobody to write event files."""
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ValueError(
            "event files need tensorboard, which is not installed: pip install 'npppo[tensorboard]'"
        ) from None


class EventFiles:
    """A callback of `learn` that writes each row into an event file in `folder`.

        with EventFiles("logs/first") as log:
            model.learn(100_000, log)

    Whoever reads the folder forgets what older files say of the steps behind `after`, which is how
    a training that was resumed says that it went another way from there. What is no number yet, as
    the return before the first episode has ended, is left out.
    """

    def __init__(self, folder: str | Path, after: int = 0) -> None:
        expect_installed()
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        # files are read in the order of their names, which begin with the second
        for older in event_files(Path(folder))[-1:]:
            while int(older.name.split(".")[3]) == int(time.time()):
                time.sleep(0.01)
        self._writer = EventFileWriter(str(folder))
        self._add(after + 1, session_log=SessionLog(status=SessionLog.START))

    def __call__(self, model: Learner | None, row: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [
            Summary.Value(tag=TAGS.get(name, f"train/{name}"), simple_value=float(value))
            for name, value in row.items()
            if name != "timesteps" and isfinite(float(value))
        ]
        self._add(int(row["timesteps"]), summary=Summary(value=scalars))

    def flush(self) -> None:
        """Bring what was logged to the disk."""
        self._writer.flush()

    def __enter__(self) -> EventFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def _add(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=step, **content))
