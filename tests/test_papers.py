"""The README's table from the papers to the code: what it names exists."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import npppo
from npppo import contract

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SECTION = README.split("## From the papers to the code")[1].split("\n## ")[0]
DIALECT = README.split("## Dialect")[1].split("\n## ")[0]
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("|")
][2:]
TESTS = {
    node.name
    for path in (ROOT / "tests").rglob("test_*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef)
}
ROOMS = ("formulas", "agents", "algorithms")
MODULES = {
    path.stem: f"npppo.{room}.{path.stem}"
    for room in ROOMS
    for path in (Path(npppo.__file__).parent / room).glob("*.py")
}


def exists(name):
    """A function of the contract, or "file.name" of whatever is in a file of npppo."""
    if name in contract.__all__:
        return True
    module, _, rest = name.partition(".")
    if module not in MODULES or not rest:
        return False
    found = importlib.import_module(MODULES[module])
    for part in rest.split("."):
        found = getattr(found, part, None)
    return found is not None


def test_every_row_names_code_and_a_test_that_exist():
    assert len(ROWS) > 50
    choices = set(re.findall(r"^\| (\d+) \|", DIALECT, re.MULTILINE))
    for source, what, code, test, dialect in ROWS:
        assert what or code, source
        if code == "not here":
            assert not test
            assert not dialect
            continue
        assert exists(code), code
        assert test in TESTS, test
        assert set(re.findall(r"\d+", dialect)) <= choices, dialect


@pytest.mark.parametrize("name", ["gea", "ppo", "ppo.updat", "agent.Agent.backwards", "agents"])
def test_a_name_that_is_gone_is_found(name):
    assert not exists(name)


def test_the_details_are_all_there():
    """13, 9 of games, 9 of continuous actions, 5 of memory and 1: 37."""
    first = next(k for k, row in enumerate(ROWS) if row[0].startswith("Huang"))
    count = 0
    for source in filter(None, (row[0] for row in ROWS[first:])):
        match = re.search(r" (\d+)(?: to (\d+))?$|^(\d+)(?: to (\d+))?$", source)
        low, high, only, last = match.groups() if match else (None,) * 4
        low, high = low or only or 1, high or last or low or only or 1
        count += int(high) - int(low) + 1
    assert count == 37


def test_every_source_in_a_docstring_is_in_the_table():
    """Of the four papers: equations that a docstring cites have a row."""
    cited = {
        (paper, number)
        for name in contract.__all__
        for paper, number in re.findall(
            r"(Schulman et\s+al\. \d{4}),\s+eq\. (\d+)", getattr(contract, name).__doc__ or ""
        )
    }
    rows, paper = set(), ""
    for source, *_ in ROWS:
        found = re.match(r"(Schulman et al\. \d{4})|(Williams|Huang)", source)
        paper = (found[1] or "") if found else paper
        eq = re.search(r"eq\. (.*)", source)
        numbers = re.findall(r"\d+", eq[1]) if eq else []
        if "to" in source and numbers:
            numbers = map(str, range(int(numbers[0]), int(numbers[1]) + 1))
        rows |= {(paper, number) for number in numbers}
    assert cited
    assert {(" ".join(paper.split()), number) for paper, number in cited} <= rows
