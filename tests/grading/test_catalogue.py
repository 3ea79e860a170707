"""The known mistakes and the batteries: right with no switch set, caught and named with one."""

import numpy as np
import pytest

from npppo import contract
from npppo.grading.exercises.answers import EXERCISES, forward_of, letters_of, reference, varied
from npppo.grading.exercises.compare import DOUBLE, SINGLE, close
from npppo.grading.exercises.exercise import RIGHT
from npppo.grading.exercises.trees import leaves, mapped, side_by_side
from npppo.grading.formats import selftest
from npppo.grading.judging import search

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
    with np.errstate(over="ignore"):
        single = tree.astype(np.float32)
    if (np.isinf(single) & np.isfinite(tree)).any():  # more than it holds
        return tree
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


# Strata whose right results cannot differ from one draw to the next, as those of a zero gradient
ALWAYS_ALIKE = {
    "constant",
    "one value",
    "same policy",
    "inside the band",
    "all outside",
    "perfect values",
    "equal targets",
    "zero gradients",
    "zero right-hand side",
    "certain actions",
}


def numbers(tree):
    if isinstance(tree, list | tuple):
        return [x for branch in tree for x in numbers(branch)]
    return np.ravel(np.asarray(tree, float)).tolist()


@pytest.mark.parametrize("name", EXERCISES)
def test_right_results_cannot_be_learned_by_heart(name):
    exercise = EXERCISES[name]
    results = {}
    for seed in range(6):
        for case in battery(exercise, seed):
            results.setdefault(case.stratum, set()).add(str(numbers(reference(name, case))))
    alike = {stratum for stratum, seen in results.items() if len(seen) == 1}
    assert alike <= ALWAYS_ALIKE


@pytest.mark.parametrize("name", [name for name in EXERCISES if name.endswith("_backward")])
def test_a_backward_that_trusts_a_wrong_cache_has_the_id_of_its_forward(name):
    of_forward = {m.id for m in EXERCISES[forward_of(name)].mistakes}
    kept = [m for m in EXERCISES[name].mistakes if "kept" in m.sentence]
    assert [m.switch for m in kept if m.id not in of_forward] == []


@pytest.mark.parametrize("name", EXERCISES)
def test_the_search_draws_every_argument_but_a_tolerance(name, monkeypatch):
    monkeypatch.setattr(search, "SHRINK_CALLS", 0)
    case = search.smallest(EXERCISES[name], lambda case: True, 0, search.SEARCH_EXAMPLES)
    assert len(case.args) == len(letters_of(name)) - (name == "conjugate_gradient")


def test_walks_over_lists_and_tuples():
    tree = [1, (2, [3.0]), ()]
    assert list(leaves(tree)) == [1, 2, 3.0]
    assert mapped(lambda x: -x, tree) == [-1, (-2, [-3.0]), ()]
    assert mapped(lambda x, y: x + y, tree, [10, [20, (30,)], []]) == [11, (22, [33.0]), ()]
    assert side_by_side(tree, (10, [20, (30,)], [])) == [(1, 10), (2, 20), (3.0, 30)]
    for other in (1, [1, (2, [3.0])], [1, (2, 3.0), ()], [1, (2, [3.0]), 4]):
        assert side_by_side(tree, other) is None


def test_there_are_enough():
    assert sum(len({m.id for m in exercise.mistakes}) for exercise in EXERCISES.values()) >= 1500
