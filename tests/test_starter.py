"""The file that students fill in."""

import ast
import inspect

import pytest

from npppo import contract
from npppo.grading.starter import starter


def functions(source):
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_it_is_the_contract():
    stubs = functions(starter())
    assert list(stubs) == list(contract.__all__)
    namespace = {}
    exec(starter(), namespace)
    for name in contract.__all__:
        reference = inspect.signature(getattr(contract, name)).parameters.values()
        mine = inspect.signature(namespace[name]).parameters.values()
        assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in reference]
        with pytest.raises(NotImplementedError):
            namespace[name](*range(len(mine)))


def test_it_tells_the_task_and_not_the_solution():
    for name, node in functions(starter()).items():
        doc = ast.get_docstring(node)
        assert doc, name
        assert len(node.body) == 2, name  # the docstring and the raise
        if not name.endswith("_backward"):
            forward = getattr(contract, name)
            for word in ("Shapes", "Convention", "Source"):
                assert (word in doc) == (word in inspect.getdoc(forward)), (name, word)
        for word in ("Derivation", "hence"):
            assert word not in doc, name
        assert ("Returns (out, cache)." in doc) == (f"{name}_backward" in contract.__all__)


def test_some_functions_bring_their_forward():
    assert list(functions(starter(["gae", "tanh_backward"]))) == ["tanh", "tanh_backward", "gae"]
    with pytest.raises(ValueError, match="there is no function 'gea' in the contract"):
        starter(["gea"])
