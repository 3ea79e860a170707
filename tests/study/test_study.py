"""A formula's page: what it shows is what the library computes, for every function there is."""

import ast
import inspect
import re
import sys
import textwrap

import numpy as np
import pytest
from instrumented import instrumented

from npppo import contract
from npppo.contract import SPECIFICATIONS
from npppo.grading.exercises.answers import EXERCISES, forward_of, has_backward, made
from npppo.grading.exercises.trees import leaves
from npppo.study import show, worked
from npppo.study.numbers import Noise, example

FORMULAS = list(SPECIFICATIONS)
PAGES = {name: show.page(name) for name in FORMULAS}
every_formula = pytest.mark.parametrize("name", FORMULAS)


def section(page, title):
    """The lines below a title that begins so."""
    lines = page.split("\n")
    start = next(k for k, line in enumerate(lines) if line.startswith(title))
    assert set(lines[start + 1]) == {"-"}
    end = (k for k in range(start + 2, len(lines)) if set(lines[k]) == {"-"})
    return lines[start + 2 : next(end, len(lines) + 1) - 1]


def values(lines):
    """What is printed as "name = number", read as Python would; of each name the last one."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"([\w\[\]]+) = ([-\d.\[\], eTrueFals]+)", line)
        if match:
            found[match[1]] = np.array(ast.literal_eval(match[2]))
    return found


def arguments(name, lines):
    """The arguments that the page gives, as the formula takes them."""
    printed, text = values(lines), "\n".join(lines)
    result = []
    for argument, kind in SPECIFICATIONS[name].arguments.items():
        if kind == "layers":
            result.append([tuple(printed[f"{argument}[{k}][{i}]"] for i in (0, 1)) for k in (0, 1)])
        elif kind == "arrays":
            result.append([printed[f"{argument}[{k}]"] for k in (0, 1)])
        elif kind == "text":
            result.append(re.search(rf"{argument} = '(\w+)'", text)[1])
        elif kind == "pair":
            result.append((2, 2))
        elif kind == "generator":
            drawn = re.search(r"standard_normal\(\(2, 2\)\) = (.*)", text)[1]
            result.append(Noise(np.array(ast.literal_eval(drawn))))
        elif "→" in kind:
            A = np.array(ast.literal_eval(re.search(r"with A = (.*)", text)[1]))
            result.append(lambda x, A=A: A @ x)
        else:
            result.append(
                printed[argument] if printed[argument].shape else printed[argument].item()
            )
    return result


@every_formula
def test_what_is_printed_is_what_the_door_computes(name):
    """To the four decimals shown, from nothing but what is printed."""
    page = PAGES[name]
    lines = section(page, "With numbers")
    args = arguments(name, lines[: lines.index("")])
    out = getattr(contract, name)(*args)
    out, cache = out if has_backward(name) else (out, None)
    printed = values(lines)
    for label, x in show.answers(name, out):
        assert np.array_equal(printed[label], np.round(x, 4) + 0.0), label
    if not has_backward(name):
        assert "And back" not in page
        return
    lines = section(page, "And back")
    printed = values(lines)
    dout = printed[show.upstream(name)]
    gradients = getattr(contract, f"{name}_backward")(dout, cache)
    by_step = values(section(page, "The same by complex step"))
    for label, x in show.answers(f"{name}_backward", gradients):
        assert np.array_equal(printed[label], np.round(x, 4) + 0.0), label
        assert np.array_equal(by_step[label], np.round(x, 4) + 0.0), label
    assert len(by_step) == len(show.answers(f"{name}_backward", gradients))


@every_formula
def test_the_complex_step_is_not_the_backward(name, monkeypatch):
    if not has_backward(name):
        return
    case = example(name)
    right = worked.by_complex_step(name, case)
    monkeypatch.setattr(contract, f"{name}_backward", None)
    again = worked.by_complex_step(name, case)
    assert all(np.array_equal(a, b) for a, b in zip(right, again, strict=True))


@pytest.mark.parametrize("name", contract.__all__)
def test_every_function_has_five_mistakes_and_what_they_give(name):
    page = PAGES[forward_of(name)]
    lines = section(page, f"Mistakes in {name}, ")
    ids = re.findall(r"\[([A-Z]+-\d+)\]", "\n".join(lines))
    assert len(set(ids)) == len(ids) == 5
    case, by_id = example(name), {}
    for mistake in EXERCISES[name].mistakes:
        by_id.setdefault(mistake.id, []).append(worked.with_mistake(name, mistake, case))
    results = re.split(r"\[[A-Z]+-\d+\]\n", "\n".join(lines))[1:]
    for id, text in zip(ids, results, strict=True):
        wrong = values(line.strip() for line in text.split("\n"))
        assert wrong, text
        given = [dict(show.answers(name, x)) for x in by_id[id] if x is not None]
        assert any(
            all(
                label in one and np.array_equal(wrong[label], np.round(one[label], 4) + 0.0)
                for label in wrong
            )
            for one in given
        ), id


@every_formula
def test_the_steps_are_the_assignments_of_the_code(name):
    """Beside another way of looking: the code itself, made to report what it assigns."""
    case = example(name)
    forward, backward = worked.run(name, case)
    assigned = []
    function = instrumented(worked.bare(name), lambda n, x: assigned.append((n, x)) or x)
    result = function(*made(case.args))
    compare(name, forward, assigned)
    if backward:
        assigned.clear()
        instrumented(worked.bare(f"{name}_backward"), lambda n, x: assigned.append((n, x)) or x)(
            case.dout, result[1]
        )
        compare(f"{name}_backward", backward, assigned)


def compare(function, steps, assigned):
    """Every array that the code assigns, and that was another before, is that of a step."""
    seen = [(n, x) for one in steps if one.function == function for n, x in one.values.items()]
    known = {}
    for name, x in assigned:
        arrays = all(isinstance(one, np.ndarray) for one in leaves(x))
        if arrays and not (name in known and same(known[name], x)):
            known[name] = x
            assert any(one == name and same(x, y) for one, y in seen), (function, name)


def same(a, b):
    return len(list(leaves(a))) == len(list(leaves(b))) and all(
        np.array_equal(x, y) for x, y in zip(leaves(a), leaves(b), strict=True)
    )


def test_helpers_are_followed_and_loops_are_not():
    forward, backward = worked.run("categorical_kl", example("categorical_kl"))
    assert {step.function for step in forward} == {
        *("categorical_kl", "log_softmax", "_shift", "kl_terms")
    }
    assert [step.depth for step in forward if step.function == "_shift"] == [2, 2, 2, 2]
    assert backward[-1].line.startswith("return dkl[:, None] * (p - old_p)")
    steps, _ = worked.steps(worked.bare("gae"), *example("gae").args)
    assert [step.values["t"] for step in steps if "t" in step.values] == [3, 2, 1, 0]


def test_whoever_traces_goes_on_tracing():
    def tracer(frame, event, arg):
        return None

    before = sys.gettrace()
    try:
        sys.settrace(tracer)
        worked.run("softmax", example("softmax"))
        assert sys.gettrace() is tracer
        with pytest.raises(ValueError, match="unknown"):
            worked.steps(worked.bare("mlp"), np.ones((1, 1)), [], "unknown")
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_what_np_empty_holds_is_not_shown():
    lines = section(PAGES["gae"], "With numbers")
    at = lines.index("advantages[t] = following")
    assert not lines[at + 1].startswith(" ")


# The code, and what the backward goes back by


@every_formula
def test_the_code_is_that_of_the_library(name):
    lines = [line[5:] for line in section(PAGES[name], "Its lines")]
    wanted = []
    for one in [name, f"{name}_backward"][: 1 + has_backward(name)]:
        source = textwrap.dedent(inspect.getsource(worked.bare(one)))
        wanted.append(source[source.index('"""', source.index('"""') + 3) + 4 :])
    code = textwrap.dedent(wanted[0]) + "".join("\n" + textwrap.dedent(one) for one in wanted[1:])
    stripped = [line.rstrip() for line in lines]
    assert [line for line in stripped if line] == [
        line.rstrip() for line in code.split("\n") if line
    ]


def test_the_backward_s_lines_stand_beside_those_that_they_differentiate():
    margins = {
        line[5:].split(" = ")[0]: line[:5].strip() for line in section(PAGES["linear"], "Its lines")
    }
    assert margins["dx"] == margins["dW"] == "1"
    assert margins["db"] == "2"
    mlp = [line for line in section(PAGES["mlp"], "Its lines") if "dz = " in line]
    assert mlp[0].split()[0] == "5"
    assert any(line.startswith(" 1-3 return p * (dp") for line in PAGES["softmax"].split("\n"))


@every_formula
def test_a_page_fits_a_terminal(name):
    """Where the code does: its longest lines have 100 characters."""
    wide = [line for line in PAGES[name].split("\n") if len(line) > 101]
    assert not wide


@every_formula
def test_a_page_begins_with_the_docstring(name):
    assert f"\n{inspect.getdoc(worked.bare(name))}\n" in PAGES[name]


# The list


def test_the_list_is_in_learning_order_and_nothing_builds_on_what_comes_later():
    listed = re.findall(r"^  (\w+) ", show.listing(), re.MULTILINE)
    assert listed == [name for name in contract.__all__ if forward_of(name) == name]
    assert max(map(len, show.listing().split("\n"))) <= 100
    for name in listed:
        for below in show.builds_on(name):
            assert listed.index(below) < listed.index(name)


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("softmax", []),
        ("mlp", ["linear", "tanh", "relu"]),
        ("mlp_jvp", ["tanh", "relu", "mlp"]),
        ("categorical_kl", ["log_softmax"]),
        ("categorical_fisher", ["softmax"]),
        ("dual_clip_loss", ["importance_ratio", "clipped_surrogate_loss"]),
        ("adam_step", []),
    ],
)
def test_what_builds_on_what_is_read_from_the_code(name, below):
    assert show.builds_on(name) == below
