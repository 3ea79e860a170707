"""A teacher's own mistakes, added to those that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..exercises.answers import EXERCISES
from ..exercises.compare import DOUBLE
from ..exercises.exercise import RIGHT, Exercise
from ..exercises.mistakes import BOOK
from ..judging.match import Variants, agree


def add_mistakes(path: Path | None) -> None:
    """Add a file, if any, written as `npppo/grading/exercises/mistakes/__init__.py` says."""
    if path is None:
        return
    try:
        about = BOOK.read(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    for name in BOOK.pages:
        BOOK.switchable(name)
    for name, exercise in EXERCISES.items():
        EXERCISES[name] = replace(exercise, mistakes=BOOK.mistakes(name))
    for name in about:
        if name in EXERCISES:
            expect_differences(EXERCISES[name], path)


def expect_differences(exercise: Exercise, path: Path) -> None:
    """A mistake that makes none on the battery could not be told from a right answer."""
    cases = exercise.battery.draw(np.random.default_rng(0))
    variants = Variants(exercise, cases)
    for way in BOOK.ways(exercise.name):
        if way.line.place.path != path:
            continue
        on = frozenset([way.mistake.switch])
        try:
            same = all(
                agree(variants.outcome(on, k), variants.outcome(RIGHT, k), DOUBLE)
                for k in range(len(cases))
            )
        except Exception as error:  # whatever a line may raise that is no student's mistake
            raise way.line.place.error(f"{way.line.text!r} fails: {error}") from None
        if same:
            raise way.line.place.error(f"{way.line.text!r} makes no difference")
