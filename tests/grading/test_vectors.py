"""Test vectors for other languages: the files say it all, and their answers are marked."""

import inspect
import json
import math
from itertools import cycle

import numpy as np
import pytest
from handins import assignment
from hypothesis import given
from hypothesis import strategies as st

from npppo import contract
from npppo.grading.desk.assignment import read_assignment
from npppo.grading.exercises.answers import reference
from npppo.grading.exercises.exercise import Product, Rng
from npppo.grading.formats.vectors import cases_of, encoded, grade_answers, write_vectors

DTYPES = {"float64": np.float64, "float32": np.float32, "int64": np.int64, "bool": np.bool_}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    write_vectors(folder)
    return folder


def strict(text):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


# A program that knows nothing but the README in the folder.


def read(value):
    if isinstance(value, list):
        return [read(x) for x in value]
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if not isinstance(value, dict):
        return value
    if set(value) == {"seed"}:
        return np.random.default_rng(value["seed"])
    if set(value) == {"matrix"}:
        matrix = read(value["matrix"])
        return lambda x: matrix @ x
    assert set(value) == {"shape", "dtype", "data"}
    return np.array(read(value["data"]), DTYPES[value["dtype"]]).reshape(value["shape"])


def solve(content, folder):
    """The results of one file's cases."""
    name, results = content["function"], []
    for case in content["cases"]:
        args = [read(x) for x in case["arguments"]]
        forward = name.removesuffix("_backward")
        result = getattr(contract, forward)(*args)
        if name != forward:
            result = getattr(contract, name)(read(case["dout"]), result[1])
        elif (folder / f"{name}_backward.json").exists():
            result = result[0]
        results.append(result)
    return results


def flat_arrays(x):
    """As the README has results."""
    if isinstance(x, list | tuple):
        return [flat_arrays(y) for y in x]
    if np.ndim(x):
        data = [flat_arrays(y) for y in np.ravel(x).tolist()]
        return {"shape": list(np.shape(x)), "dtype": str(x.dtype), "data": data}
    x = x.item() if isinstance(x, np.generic | np.ndarray) else x
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def nested_lists(x):
    """As a language has them that knows one kind of number: 1.0 is written 1."""
    x = x.tolist() if isinstance(x, np.ndarray | np.generic) else x
    if isinstance(x, list | tuple):
        return [nested_lists(y) for y in x]
    if isinstance(x, float):
        return str(x) if not math.isfinite(x) else int(x) if x == int(x) else x
    return x


def test_a_program_that_knows_only_the_files_gets_full_marks(vectors, tmp_path):
    for path in vectors.glob("*.json"):
        content = strict(path.read_text())
        styles = cycle([flat_arrays, nested_lists])
        results = [
            style(result) for style, result in zip(styles, solve(content, vectors), strict=False)
        ]
        answer = {"function": content["function"], "results": results}
        (tmp_path / path.name).write_text(json.dumps(answer, allow_nan=False))
    report = grade_answers(tmp_path, read_assignment())
    assert {f.name: f.message for f in report.functions if f.status != "passed"} == {}
    assert len(report.functions) == len(contract.__all__)
    assert report.score == report.max_score


def test_copied_results_get_full_marks(vectors):
    report = grade_answers(vectors, assignment("gae orthogonal ppo_loss adam_step"))
    assert [f.status for f in report.functions] == ["passed"] * 4


def bits(x):
    """What tells two numbers apart, also -0.0 from 0.0."""
    if isinstance(x, list | tuple):
        return [bits(y) for y in x]
    if isinstance(x, np.ndarray | np.generic):
        x = np.asarray(x)
        return (x.shape, str(x.dtype), x.tobytes()) if x.ndim else bits(x.item())
    return repr(x)


def test_every_number_survives(vectors):
    for name in contract.__all__:
        content = strict((vectors / f"{name}.json").read_text())
        cases = cases_of(name, "")
        assert len(content["cases"]) == len(cases)
        for entry, case in zip(content["cases"], cases, strict=True):
            assert entry["stratum"] == case.stratum
            assert bits(read(entry["result"])) == bits(reference(name, case))
            if case.dout is not None:
                assert bits(read(entry["dout"])) == bits(case.dout)
            for x, arg in zip(entry["arguments"], case.args, strict=True):
                if not isinstance(arg, Product | Rng):
                    assert bits(read(x)) == bits(arg)


@given(st.lists(st.floats()))
def test_every_float_survives(numbers):
    array = np.array(numbers)
    text = json.dumps(encoded([array, numbers]), allow_nan=False)
    again, items = read(json.loads(text)) if numbers else (array, [])
    assert np.array_equal(again, array, equal_nan=True)
    assert np.array_equal(np.signbit(again), np.signbit(array)) or np.isnan(array).any()
    assert np.array_equal(items, numbers, equal_nan=True)


def test_the_readme_tells_the_truth(vectors):
    readme = (vectors / "README.md").read_text()
    kinds = set()

    def look(value):
        if isinstance(value, dict):
            kinds.add(tuple(value))
            kinds.add(value.get("dtype"))
        for x in value if isinstance(value, list) else ():
            look(x)
        for x in value.values() if isinstance(value, dict) else ():
            look(x)

    for name in contract.__all__:
        content = strict((vectors / f"{name}.json").read_text())
        assert list(content) == ["format", "function", "arguments", "cases"]
        function = getattr(contract, name.removesuffix("_backward"))
        assert content["arguments"] == list(inspect.signature(function).parameters)
        for case in content["cases"]:
            assert ("dout" in case) == name.endswith("_backward")
            assert len(case["arguments"]) <= len(content["arguments"])
            for key in case:
                assert f'"{key}":' in readme
            look([case["arguments"], case.get("dout"), case["result"]])
        assert content["format"] in readme
    assert kinds - {None} == {("shape", "dtype", "data"), ("matrix",), ("seed",), *DTYPES}
    for word in [*DTYPES, "shape", "matrix", "seed", "nan", "-inf"]:
        assert f'"{word}"' in readme


def test_inputs_only(tmp_path, vectors):
    write_vectors(tmp_path, ["tanh"], results=False)
    content, whole = (
        json.loads((folder / "tanh.json").read_text()) for folder in (tmp_path, vectors)
    )
    for case in whole["cases"]:
        del case["result"]
    assert content == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "tanh.json"]
    with pytest.raises(ValueError, match="holds no answers"):
        grade_answers(tmp_path, assignment("tanh"))


def test_the_salt_changes_the_numbers(tmp_path, vectors):
    write_vectors(tmp_path, ["gae"], salt="secret")
    assert (tmp_path / "gae.json").read_text() != (vectors / "gae.json").read_text()
    report = grade_answers(tmp_path, assignment("gae"), "secret")
    assert report.score == report.max_score
    assert grade_answers(tmp_path, assignment("gae")).score == 0


def test_an_unknown_function_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="there is no function 'gea' in the contract, is it gae"):
        write_vectors(tmp_path / "new", ["tanh", "gea"])
    assert not (tmp_path / "new").exists()


def marked(folder, name, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / f"{name}.json").write_text(text)
    (report,) = grade_answers(folder, assignment(name)).functions
    return report


def results_of(name):
    return [encoded(reference(name, case)) for case in cases_of(name, "")]


def test_a_wrong_answer_has_its_name(tmp_path):
    def gae_without_masks(r, v, nv, ends, stops, gamma, lam):
        return contract.gae(r, v, nv, 0 * ends > 1, 0 * stops > 1, gamma, lam)

    answers = [encoded(gae_without_masks(*case.args)) for case in cases_of("gae", "")]
    gae = marked(tmp_path, "gae", {"results": answers})
    assert gae.status == "partial"
    assert gae.mistake == "GAE-01"
    assert {part.name for part in gae.parts} == {case.stratum for case in cases_of("gae", "")}


def test_a_wrong_answer_without_a_name(tmp_path):
    answers = [encoded(np.cos(3 * case.args[0])) for case in cases_of("tanh", "")]
    tanh = marked(tmp_path, "tanh", {"results": answers})
    assert (tanh.status, tanh.score, tanh.mistake) == ("failed", 0, None)


def test_a_file_that_is_missing_is_not_attempted(tmp_path):
    (tmp_path / "tanh.json").write_text(json.dumps({"results": results_of("tanh")}))
    report = grade_answers(tmp_path, assignment("tanh gae"))
    assert [f.status for f in report.functions] == ["passed", "not attempted"]
    assert not report.lost_marks


NO_ANSWERS = [
    None,
    "text",
    10**30,
    True,
    {},
    {"data": [1.0], "shape": [1e999]},
    {"data": [1.0], "shape": [10**30]},
    {"data": [None], "shape": [1]},
    {"data": ["abc"], "shape": [1]},
    {"data": 5, "shape": []},
    {"data": [1.0]},
    [10**30],
    ["nan", None],
    [[1.0], [1.0, 2.0]],
    [{"data": [1.0], "shape": [1]}, {}],
]


@pytest.mark.parametrize("name", ["tanh", "explained_variance", "adam_step"])
def test_answers_that_are_none(tmp_path, name):
    """Each in the first place, where the rest is right."""
    for bad in NO_ANSWERS:
        report = marked(tmp_path, name, {"results": [bad, *results_of(name)[1:]]})
        assert report.status in ("partial", "failed"), bad
        assert report.score < report.max_score


def test_null_everywhere_earns_nothing(tmp_path):
    report = marked(tmp_path, "tanh", {"results": [None] * len(results_of("tanh"))})
    assert report.score == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"results": [', "holds no answers"),
        ("", "holds no answers"),
        ("[" * 100_000, "holds no answers"),
        ([], "holds no answers"),
        (5, "holds no answers"),
        ({}, "holds no answers"),
        ({"cases": [{}]}, "holds no answers"),
        ({"results": 5}, "no list of results"),
        ({"results": []}, "holds 0 results, expected"),
        ({"results": [1.0] * 1000}, "holds 1000 results, expected"),
    ],
)
def test_files_that_hold_no_answers(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        marked(tmp_path, "tanh", content)
    assert "\n" not in str(caught.value)


def test_lists_within_lists_without_end(tmp_path):
    deep = "[" * 500 + "]" * 500
    content = json.dumps({"results": [0, *results_of("tanh")[1:]]}).replace("[0,", f"[{deep},", 1)
    assert marked(tmp_path, "tanh", content).status == "partial"


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        grade_answers(tmp_path / "nothing", read_assignment())
