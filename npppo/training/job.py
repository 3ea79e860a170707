"""One seed of a sweep: what a process, perhaps far away, is told, and what it answers."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from math import isnan, nan
from pathlib import Path
from typing import Any

from . import run
from .blame import one_line
from .checkpoint import write_json
from .evaluate import Evaluation
from .learner import ALGORITHMS

OUTCOME = "outcome.json"
# for whoever trained it in a sweep that is no more: it looks once a second, after an update
PATIENCE = 20.0


@dataclass(frozen=True, eq=False)
class Job:
    """A run, as `npppo train` makes one, and the evaluation after it.

    It is wanted as long as the file `lease` says `token`.
    """

    folder: Path
    env: str
    algo: str
    seed: int
    hyperparameters: dict[str, Any]
    until: dict[str, Any]  # the settings of run.train
    eval_episodes: int
    max_steps: int | None
    lease: Path
    token: str

    @property
    def name(self) -> str:
        """Its folder in that of the sweep."""
        return str(self.folder.relative_to(self.lease.parent))


@dataclass(frozen=True)
class Outcome:
    """`training` is the mean return of the last 100 training episodes, `evaluation` has the returns
    of the episodes that were finished, and `missing` says what was not."""

    steps: int = 0
    training: float = nan
    evaluation: tuple[float, ...] = ()
    missing: str = ""
    error: str = ""  # the last line of the traceback, where it failed

    def mean(self) -> float:
        """The mean return of the evaluation; nan where no episode was finished."""
        return sum(self.evaluation) / len(self.evaluation) if self.evaluation else nan

    def is_unevaluated(self) -> bool:
        """Whether no evaluation was asked for."""
        return not (self.evaluation or self.missing)


class Lease:
    """Whether a job is still wanted."""

    def __init__(self, job: Job) -> None:
        self.path, self.token = job.lease, job.token
        self.holds, self.next_look = True, 0.0

    def look(self) -> bool:
        """Once a second, for the disk's sake."""
        if time.monotonic() >= self.next_look:
            self.next_look = time.monotonic() + 1
            try:
                self.holds = self.path.read_text() == self.token
            except FileNotFoundError:
                self.holds = False
        return self.holds

    def expect(self, *_: object) -> None:
        if not self.look():
            raise RuntimeError("stopped, as nobody waits for it any more")


def give_up(job: Job) -> None:
    """Want it no longer."""
    job.lease.unlink(missing_ok=True)


def train_seed(job: Job) -> Outcome:
    """Begin a run, or go on with it, to its end, and evaluate it.

    Whatever goes wrong is told in words: an environment's own exception may not survive the way.
    """
    lease = Lease(job)
    try:
        lease.expect()  # before there is a folder: it may have waited while its sweep ended
        with run.alone(job.folder, PATIENCE):
            return _train_seed(job, lease)
    except Exception as error:
        return Outcome(error=in_words(error))


def in_words(error: BaseException) -> str:
    """The last line of its traceback."""
    return f"{type(error).__name__}: {one_line(error)}"


def is_begun(job: Job) -> bool:
    """Whether there is something of it."""
    return (job.folder / run.CONFIG).exists()


def _train_seed(job: Job, lease: Lease) -> Outcome:
    if is_begun(job):
        model, _ = run.resume(job.folder)
    else:
        model = ALGORITHMS[job.algo](job.env, job.seed, **job.hyperparameters)
        run.begin(job.folder, model, job.until)
    try:
        if not run.train(job.folder, model, job.until, lambda model, row: lease.look()):
            lease.expect()
        returns, missing = [], ""
        if job.eval_episodes:
            evaluation = Evaluation(model, job.eval_episodes, max_steps=job.max_steps)
            evaluation.play(lease.expect)
            returns, missing = [r for r, _ in evaluation.finished], evaluation.missing()
    finally:
        model.env.close()
    training = sum(r for r, _ in model.recent) / len(model.recent) if model.recent else nan
    outcome = Outcome(model.num_timesteps, training, tuple(returns), missing)
    said = {**asdict(outcome), "training": None if isnan(training) else training}
    write_json(job.folder / OUTCOME, {**_asked(job), **said})
    return outcome


def read_outcome(job: Job) -> Outcome | None:
    """What the job came to, if it was done before and in the same way."""
    try:
        there = json.loads((job.folder / OUTCOME).read_text())
        if {name: there.pop(name) for name in _asked(job)} != _asked(job):
            return None
        there.update(training=nan if there["training"] is None else there["training"])
        outcome = Outcome(**{**there, "evaluation": tuple(there["evaluation"])})
    except (OSError, ValueError, TypeError, LookupError):  # it is written again
        return None
    return outcome if (job.folder / run.CHECKPOINT).exists() else None


def steps_made(job: Job) -> int:
    """As many as the last whole row of progress.csv says, while others write it."""
    try:
        with open(job.folder / run.PROGRESS, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            *_, last, _ = file.read().split(b"\n")
        return int(last.split(b",")[1])
    except (OSError, ValueError, IndexError):  # there is none
        return 0


def _asked(job: Job) -> dict[str, Any]:
    return {"eval_episodes": job.eval_episodes, "max_steps": job.max_steps}
