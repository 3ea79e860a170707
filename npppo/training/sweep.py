"""Many runs: settings and seeds, each in a folder of its own, on any executor."""

from __future__ import annotations

import itertools
import json
import math
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import run
from .checkpoint import write_text
from .evaluate import Evaluation
from .job import Job, Outcome, give_up, in_words, is_begun, read_outcome, steps_made, train_seed
from .learner import ALGORITHMS
from .progress import ProgressOfMany
from .results import Setting, Table, label, spoken, table, write_table
from .workers import on_executor, on_this_machine

__all__ = ["sweep"]

LEASE, RESULTS = ".lease", "results.csv"


@dataclass(frozen=True)
class Results:
    """What came of a sweep: its folder, the rows of its results.csv, and by the name of a run's
    folder what it came to, or the last line of the traceback where it failed."""

    folder: Path
    table: Table
    outcomes: dict[str, Outcome]
    failed: dict[str, str]


def sweep(
    env: str,
    seeds: Iterable[int] = range(10),
    out: str | Path | None = None,
    algo: str = "PPO",
    jobs: int | None = None,
    executor: Executor | None = None,
    settings: Mapping[str, Sequence[Any]] | None = None,
    steps: int | None = None,
    stop_at: float | None = None,
    eval_episodes: int = 100,
    max_steps: int | None = None,
    progress: bool = False,
    **hyperparameters: Any,
) -> Results:
    """Train an algorithm with many seeds and in all combinations of `settings`, and compare them.

        npppo.sweep("CartPole-v1", range(20), settings={"learning_rate": [1e-3, 3e-4]})

    A run's folder, such as out/learning_rate=0.001/seed=3, is what `npppo train` would leave, bit
    for bit, and outcome.json with the evaluation. The same call again goes on with what is missing,
    however the last one ended, with the same bits. By default `out` is runs/ENV-ALGO-sweep.

    The runs go to `jobs` processes, by default one for each core, or to an `executor`: any with the
    interface of `concurrent.futures` whose workers find the folder under the same path. When this
    call ends early they stop within a second or an update; when this process dies its own
    processes end at once, and those of another executor when the sweep is begun again. As processes
    import the script that begins them, it needs its `if __name__ == "__main__":`.

    A run that fails takes no other with it. Raises ValueError or TypeError, before anything is
    trained, for all that is wrong from the start.
    """
    if jobs is not None and executor is not None:
        raise ValueError(f"jobs is {jobs}, but the executor that is given has its own number")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs is {jobs}, expected 1 or more")
    if not isinstance(env, str):
        raise ValueError(f"env is {env!r}, expected an id, of which each run makes its own")
    if algo.upper() not in ALGORITHMS:
        raise ValueError(f"algo is {algo!r}, expected one of {', '.join(ALGORITHMS)}")
    kind = ALGORITHMS[algo.upper()]
    name = f"{env.replace('/', '_').replace(':', '_')}-{kind.algorithm.name}-sweep"
    folder = Path("runs", name) if out is None else Path(out)
    place = folder.absolute()  # for workers that are elsewhere
    base = Job(
        folder=place,
        env=env,
        algo=kind.algorithm.name,
        seed=0,
        hyperparameters=hyperparameters,
        until={
            "total_timesteps": run.steps_of(kind, env) if steps is None else steps,
            "stop_at": stop_at,
        },
        eval_episodes=eval_episodes,
        max_steps=max_steps,
        lease=place / LEASE,
        token=secrets.token_hex(8),
    )
    _expect_a_sweeps(folder)
    base = replace(base, until={**base.until, "total_timesteps": _whole(base)})
    grid = {name: _values(name, of) for name, of in (settings or {}).items()}
    planned = plan(base, _values("seeds", seeds), grid)
    every = [job for of_setting in planned.values() for job in of_setting]
    with run.alone(folder):
        write_text(base.lease, base.token)
        try:
            outcomes = _carry_out(every, executor, jobs or _cores(), progress)
        finally:
            give_up(base)
        rows = table(
            {
                setting: [outcomes[job] for job in of_setting if not outcomes[job].error]
                for setting, of_setting in planned.items()
            }
        )
        write_table(folder / RESULTS, rows)
    return Results(
        folder,
        rows,
        {job.name: outcome for job, outcome in outcomes.items() if not outcome.error},
        {job.name: outcome.error for job, outcome in outcomes.items() if outcome.error},
    )


def plan(base: Job, seeds: list[int], settings: dict[str, list[Any]]) -> dict[Setting, list[Job]]:
    """The jobs of each setting, like `base`; ValueError or TypeError for what cannot be."""
    _expect_trainable(base)
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seeds has {seed!r}, expected whole numbers from 0 on")
    _expect_distinct("seeds", seeds)
    for name, values in settings.items():
        _expect_distinct(name, values)
        if name in base.hyperparameters:
            raise ValueError(f"{name} is in settings, but also given by itself")
    planned = {}
    for combination in itertools.product(*settings.values()):
        setting = tuple(zip(settings, combination, strict=True))
        planned[setting] = [
            replace(
                base,
                folder=base.folder / label(setting) / f"seed={seed}",
                seed=int(seed),
                hyperparameters={**base.hyperparameters, **dict(setting)},
            )
            for seed in seeds
        ]
        for job in planned[setting]:
            _expect_its_own(job)
    first = next(iter(planned.values()))[0]
    model = ALGORITHMS[first.algo](first.env, first.seed, **first.hyperparameters)
    with closing(model.env):
        Evaluation(model, first.eval_episodes or 1, max_steps=first.max_steps)
    return planned


def _expect_a_sweeps(folder: Path) -> None:
    """Raise ValueError where a sweep would take the place of something else."""
    if (folder / run.CONFIG).exists():
        raise ValueError(f"{folder} holds a run, expected a folder of its own for a sweep")
    there = folder / RESULTS
    if there.is_file() and "score,seeds,mean" not in there.read_text(errors="replace"):
        raise ValueError(f"{there} is no table of a sweep: it is never overwritten")


def _whole(base: Job) -> int:
    """The steps, also of 1e6, as a run's config.json has them."""
    steps = base.until["total_timesteps"]
    if not isinstance(steps, (int, float, np.integer)) or steps < 1 or steps % 1:
        raise ValueError(f"steps is {steps!r}, expected a whole number from 1 on")
    return int(steps)


def _values(name: str, given: Any) -> list[Any]:
    """All that it is to be; a list among them, as of widths, as what can be a key."""
    if not isinstance(given, Iterable):
        raise ValueError(f"{name} is {given!r}, expected several, as in a list")
    return [tuple(value) if isinstance(value, list) else value for value in given]


def _expect_trainable(base: Job) -> None:
    stop_at = base.until["stop_at"]
    if stop_at is not None and not math.isfinite(stop_at):
        raise ValueError(f"stop_at is {stop_at}, expected a finite number")
    if base.eval_episodes < 0:
        raise ValueError(f"eval_episodes is {base.eval_episodes}, expected 0 or more")


def _expect_distinct(name: str, values: list[Any]) -> None:
    if not values:
        raise ValueError(f"{name} is empty, expected at least one value")
    said = [spoken(value) for value in values]
    for value, word in zip(values, said, strict=True):
        if said.count(word) > 1 or values.count(value) > 1:  # 1 and 1.0 are the same
            raise ValueError(f"{name} has {word} twice, expected each value once")


def _expect_its_own(job: Job) -> None:
    """Raise ValueError where its folder holds another run, or it cannot be configured."""
    config = asdict(ALGORITHMS[job.algo].configure(job.env, job.hyperparameters))
    for name, value in config.items():
        if callable(value):
            raise ValueError(f"{name} is a function, expected a number: no run's folder holds it")
    if not is_begun(job):
        return
    there = run.read_config(job.folder)
    own = {"env": job.env, "seed": job.seed, "schedules_end": None, **job.until, **config}
    for name, value in json.loads(json.dumps({"algorithm": job.algo, **own})).items():
        held = there.get(name, "PPO" if name == "algorithm" else None)
        if held != value:
            raise ValueError(
                f"{job.folder} holds a run whose {name} is {held!r}, expected {value!r}: "
                "choose another folder with --out"
            )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _carry_out(
    every: list[Job], executor: Executor | None, number: int, progress: bool
) -> dict[Job, Outcome]:
    """What each job comes to; what was done before is not done again."""
    outcomes = {job: done for job in every if (done := read_outcome(job))}
    total = every[0].until["total_timesteps"]
    waiting = [job for job in every if job not in outcomes]
    made = sum(outcome.steps for outcome in outcomes.values()) + sum(map(steps_made, waiting))

    def watch() -> None:
        if line is None:
            return
        steps = {job: outcomes[job].steps if job in outcomes else steps_made(job) for job in every}
        missing = sum(max(0, total - steps[job]) for job in every if job not in outcomes)
        failed = sum(bool(outcome.error) for outcome in outcomes.values())
        line.update(len(every), len(outcomes) - failed, failed, sum(steps.values()), missing)

    stop = partial(give_up, every[0])
    if executor is None:
        finished = on_this_machine(number, train_seed, waiting, watch, stop, is_begun)
    else:
        finished = on_executor(executor, train_seed, waiting, watch, stop)
    with ExitStack() as stack:
        stack.enter_context(closing(finished))
        line = stack.enter_context(closing(ProgressOfMany(made))) if progress else None
        for job, result in finished:
            if isinstance(result, BaseException):
                result = Outcome(error=in_words(result))
            outcomes[job] = result
            if line and result.error:
                line.say(f"{job.name} failed: {result.error}")
        watch()
    return {job: outcomes[job] for job in every}
