"""The catalogue of known mistakes: right where no switch is set, caught and named where one is."""

import numpy as np
import pytest

from npppo import contract
from npppo.grading import selftest
from npppo.grading.compare import DOUBLE, SINGLE, close
from npppo.grading.exercise import RIGHT
from npppo.grading.exercises import EXERCISES, reference, varied

SEEDS = range(3)


def battery(exercise, seed):
    return exercise.battery.draw(np.random.default_rng(seed))


def right(exercise, case):
    result = reference(exercise.name, case)
    observe = exercise.battery.observe
    return observe(case, result) if observe else result


def in_single_precision(tree):
    if isinstance(tree, list | tuple):
        return type(tree)(map(in_single_precision, tree))
    floating = isinstance(tree, np.ndarray) and tree.dtype.kind == "f"
    if not floating:
        return tree
    single = tree.astype(np.float32)
    # what is below 1, as a share must be, stays so
    return np.where((tree < 1) & (single == 1), np.float32(1 - 2**-24), single)


def test_every_contract_function_is_an_exercise():
    assert list(EXERCISES) == list(contract.__all__)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_variant_without_a_mistake_is_right(name):
    exercise = EXERCISES[name]
    for seed in SEEDS:
        for case in battery(exercise, seed):
            result = varied(exercise, RIGHT, case)
            observe = exercise.battery.observe
            result = observe(case, result) if observe else result
            assert close(result, right(exercise, case), DOUBLE), case


@pytest.mark.parametrize("name", EXERCISES)
def test_the_battery_fills_every_stratum_and_no_other(name):
    exercise = EXERCISES[name]
    cases = battery(exercise, 0)
    assert {case.stratum for case in cases} == set(exercise.battery.strata)
    assert len(cases) <= 40


@pytest.mark.parametrize("name", EXERCISES)
def test_the_right_answer_in_single_precision_is_right(name):
    exercise = EXERCISES[name]
    for seed in SEEDS:
        for case in battery(exercise, seed):
            single = type(case)(
                case.stratum, in_single_precision(case.args), in_single_precision(case.dout)
            )
            assert close(right(exercise, single), right(exercise, case), SINGLE), case


@pytest.mark.parametrize("name", EXERCISES)
def test_every_mistake_is_rejected_and_named_and_every_style_accepted(name):
    row = selftest.tested(EXERCISES[name], seed=1)
    assert row.confused == []
    assert row.refused == []
    assert row.mistakes == row.rejected == row.named > 0


@pytest.mark.parametrize("name", EXERCISES)
def test_ids_and_switches(name):
    mistakes = EXERCISES[name].mistakes
    assert len({m.switch for m in mistakes}) == len(mistakes)
    assert all(mistake.sentence.endswith(".") for mistake in mistakes)


def test_there_are_enough():
    assert sum(len({m.id for m in exercise.mistakes}) for exercise in EXERCISES.values()) >= 1500
