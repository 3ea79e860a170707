"""Formulas that report, or are given, every value that they assign."""

import ast
import inspect
import textwrap

import numpy as np

from npppo.study.worked import FORMULAS


class Reporting(ast.NodeTransformer):
    """After each assignment of a name: name = hook("name", name)."""

    def after(self, statement, targets):
        names = [
            node.id
            for target in targets
            for node in ast.walk(target)
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        ]
        subscripts = [t.value.id for t in targets if isinstance(t, ast.Subscript)]
        calls = [f"{name} = hook({name!r}, {name})" for name in [*names, *subscripts]]
        return [statement, *(ast.parse(call).body[0] for call in calls)]

    def visit_Assign(self, node):
        return self.after(node, node.targets)

    def visit_AugAssign(self, node):
        return self.after(node, [node.target])

    def visit_AnnAssign(self, node):
        return self.after(node, [node.target])

    def visit_FunctionDef(self, node):
        node.decorator_list = []
        self.generic_visit(node)
        return node


def instrumented(function, hook, through=False):
    """The formula with its assignments going through hook(name, value).

    With `through`, so do those of all formulas that it calls.
    """
    space = dict(function.__globals__)
    space["hook"] = hook
    source = textwrap.dedent(inspect.getsource(function))
    tree = Reporting().visit(ast.parse(source))
    code = compile(ast.fix_missing_locations(tree), f"<{function.__name__}>", "exec")
    if through:
        read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for name in space.keys() & read - {"hook"}:
            space[name] = deeply(space[name], hook)
    exec(code, space)
    return space[function.__name__]


def deeply(x, hook):
    if isinstance(x, dict):
        return {key: deeply(one, hook) for key, one in x.items()}
    if isinstance(x, tuple):
        return tuple(deeply(one, hook) for one in x)
    bare = inspect.unwrap(x) if inspect.isfunction(x) else None
    if bare is not None and bare.__code__.co_filename.startswith(FORMULAS):
        return instrumented(bare, hook, through=True)
    return x


def rounding(decimals):
    """A hook that rounds whatever is a floating array or number."""

    def hook(name, x):
        floating = isinstance(x, float) or getattr(x, "dtype", np.dtype(int)).kind == "f"
        return np.round(x, decimals) if floating else x

    return hook
