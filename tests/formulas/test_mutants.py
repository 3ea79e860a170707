"""A test suite that cannot fail proves nothing: every mutant must be caught."""

import functools
from types import SimpleNamespace

import pytest

# imported for the properties that they register
import test_bernoulli  # noqa: F401
import test_categorical  # noqa: F401
import test_discrete  # noqa: F401
import test_every_function
import test_gaussian  # noqa: F401
import test_layers  # noqa: F401
import test_losses  # noqa: F401
import test_optimizers  # noqa: F401
import test_returns  # noqa: F401
from mutants import EACH, MANNERS, MUTANTS, OWN
from properties import PROPERTIES
from strategies import DIFFERENTIABLE
from test_every_function import CONTRACT

import npppo
from npppo.grading.exercises.answers import EXERCISES


def cases_of(table):
    """[(function, what is wrong), ...]"""
    return [(name, wrong) for name, wrongs in table.items() for wrong in wrongs]


def with_mutant(name, mutant):
    """npppo with one function replaced."""
    api = SimpleNamespace(**{function: getattr(npppo, function) for function in CONTRACT})
    forward = name.removesuffix("_backward")
    right_forward = getattr(npppo, forward)

    def forward_that_keeps_its_arguments(*args):
        return right_forward(*args)[0], args

    @functools.wraps(getattr(npppo, name))
    def wrong_backward(dout, args):
        return mutant(dout, *args)

    def wrong_forward(*args):
        return mutant(*args), right_forward(*args)[1]

    if name != forward:
        setattr(api, forward, forward_that_keeps_its_arguments)
        setattr(api, name, wrong_backward)
    else:
        setattr(api, name, wrong_forward if name in DIFFERENTIABLE else mutant)
    return api


def properties_of(name):
    """Each as a function of the implementation alone."""
    found = [prop.quick for prop in PROPERTIES[name]]
    if name.endswith("_backward"):
        forward = name.removesuffix("_backward")
        found += [functools.partial(prop.quick, name=forward) for prop in PROPERTIES["gradient"]]
    return found


@functools.cache
def telling_properties_of(name):
    """Those that the model solution has, with no mistake switched on: what the others
    would catch is not the mistake."""
    plain = with_mutant(name, functools.partial(EXERCISES[name].variant, frozenset()))
    return [holds for holds in properties_of(name) if not is_caught([holds], plain)]


def is_caught(properties, api):
    """By a property that turns out false. A mutant that only crashes is a bad mutant."""
    for holds in properties:
        try:
            holds(api)
        except (AssertionError, FloatingPointError):
            return True
    return False


@pytest.mark.parametrize(("name", "wrong"), cases_of(MUTANTS))
def test_a_wrong_result_is_caught(name, wrong):
    own = wrong in OWN.get(name, ())
    properties = properties_of(name) if own else telling_properties_of(name)
    assert is_caught(properties, with_mutant(name, MUTANTS[name][wrong]))


MISTAKES_OF_FORM = [
    (manner, name, wrong) for manner, table in MANNERS.items() for name, wrong in cases_of(table)
]


@pytest.mark.parametrize(("manner", "name", "wrong"), MISTAKES_OF_FORM)
def test_bad_manners_are_caught(manner, name, wrong):
    """By the very property they offend."""
    prop = getattr(test_every_function, manner).quick
    holds = functools.partial(prop, name=name.removesuffix("_backward"))
    assert is_caught([holds], with_mutant(name, MANNERS[manner][name][wrong]))


def test_every_function_has_mutants():
    assert set(MUTANTS) == set(CONTRACT)
    assert min(map(len, MUTANTS.values())) >= EACH
