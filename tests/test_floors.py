"""The house as it is drawn: each file imports only from those that the README puts before it."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_every_function import CONTRACT

import npppo
import npppo.contract

PACKAGE = Path(npppo.__file__).parent
README = (Path(__file__).parents[1] / "README.md").read_text()
# Files and folders in reading order: those that the README links to, which is why it must be whole.
ORDER = [
    link.removesuffix(".py").replace("/", ".")
    for link in re.findall(r"\]\(npppo/([\w/.]+)\)", README.split("## The files, in")[1])
]
# What is made of all the rest.
DOORS = ["__main__", "__init__"]
# The folders and files that may import more than NumPy and the standard library.
ABOVE_NUMPY = {
    "gymnasium": ("agents", "training"),
    "matplotlib": ("training.plot",),
    "tensorboard": ("training.tensorboard",),
    "hypothesis": ("grading.judging.search",),
}


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    # a folder whose __init__ has but a docstring is only a folder
    if any(not isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)
}


def place(module):
    """Where it stands in the order: by itself, or with all that is in its folder."""
    for name in (module, module.rpartition(".")[0]):
        if name in ORDER:
            return ORDER.index(name)
    return len(ORDER) if module in DOORS else None


def imports(source, module):
    """Full names of all that is imported, wherever in the file; npppo's own start with "npppo."."""
    path = MODULES[module].parent  # of its own, for the __init__ of a folder
    package = ["npppo", *path.relative_to(PACKAGE).parts]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = [*base, *(node.module or "").split(".")] if node.module else base
            for alias in node.names:
                yield ".".join([*base, alias.name])


def own_modules(names):
    """The modules of npppo among imported names; "npppo.check.Forward" is of the module check."""
    for name in names:
        package, *parts = name.split(".")
        if package == "npppo" and parts != ["__version__"]:  # which has no other place to stand
            found = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
            yield next((module for module in found if module in MODULES), "__init__")


def is_the_teachers(module):
    """Of the grading wing, and neither an exercise nor in the book of mistakes."""
    return module.startswith("grading.") and not module.startswith("grading.exercises.")


def faults(source, module):
    """What `module` imports that it must not."""
    names = list(imports(source, module))
    below = [
        name
        for name in own_modules(names)
        if place(name) > place(module) or (module.startswith("study.") and is_the_teachers(name))
    ]
    foreign = [
        name
        for name in (name.split(".")[0] for name in names)
        if name not in ("npppo", "grader")  # as which a submission's process has this folder
        and name not in sys.stdlib_module_names
        and name != "numpy"
        and not module.startswith(ABOVE_NUMPY.get(name, "-"))
    ]
    return below + foreign


def test_every_file_has_its_place():
    assert [module for module in MODULES if place(module) is None] == []
    folders = {module.rpartition(".")[0] for module in MODULES}
    assert set(ORDER) <= {*MODULES, *folders}
    links = [name for name in ORDER if name not in folders or name in MODULES]
    assert len(set(links)) == len(links)


def test_the_worker_stands_alone():
    """It runs in a process that has NumPy and the standard library, and no npppo."""
    files = {"codec", "landlock", "seccomp", "guard", "substitution", "worker"}
    for file in {*files, "start"}:
        source = MODULES[f"grading.process.{file}"].read_text()
        assert {*own_modules(imports(source, f"grading.process.{file}"))} <= {
            f"grading.process.{other}" for other in files
        }


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_files_further_up(module):
    assert faults(MODULES[module].read_text(), module) == []


@pytest.mark.parametrize(
    ("source", "module", "fault"),
    [
        ("from ..agents.agent import Agent", "formulas.layers", "agents.agent"),
        ("from . import losses", "formulas.layers", "formulas.losses"),
        ("from . import layers", "formulas.losses", None),
        ("from .. import cli", "algorithms.ppo", "cli"),
        ("def f():\n    from ..training.run import train", "agents.agent", "training.run"),
        ("from npppo.training.plot import plot", "training.run", "training.plot"),
        ("import npppo", "agents.agent", "__init__"),
        ("from .contract import gae", "check", None),
        ("from ..contract import gae", "formulas.losses", "contract"),
        ("from ..desk.grade import grade", "grading.judging.search", "grading.desk.grade"),
        ("from ..grading.exercises.mistakes import BOOK", "study.worked", None),
        ("from ..grading.judging.match import Variants", "study.worked", "grading.judging.match"),
        ("from ...study.show import page", "grading.formats.starter", "study.show"),
        ("import gymnasium.spaces", "formulas.layers", "gymnasium"),
        ("from matplotlib import pyplot", "training.run", "matplotlib"),
        ("import torch", "training.plot", "torch"),
    ],
)
def test_a_forbidden_import_is_found(source, module, fault):
    assert faults(source, module) == ([fault] if fault else [])


def modules_after(code):
    """The top-level packages that a fresh process has loaded after `code`."""
    script = f"{code}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def foreign_after(code):
    before = modules_after("")  # whatever the installation itself loads at the start
    return modules_after(code) - before - set(sys.stdlib_module_names)


def test_npppo_needs_numpy_alone():
    assert foreign_after("import npppo; npppo.gae; npppo.PPO; npppo.load; import npppo.check") == {
        "npppo",
        "numpy",
    }
    assert "gymnasium" in foreign_after("import gymnasium")


def test_import_alone_is_quick_and_leaves_the_threads_to_the_commands():
    """The commands choose the number of BLAS threads, which must come before NumPy."""
    assert foreign_after("import npppo; import npppo.cli") == {"npppo"}


def test_every_public_name_is_listed_and_there():
    public = [*CONTRACT, "PPO", "load"]
    assert set(public) <= set(npppo.__all__)
    assert set(public) <= set(dir(npppo))
    assert len(set(npppo.__all__)) == len(npppo.__all__)
    for name in npppo.__all__:
        assert callable(getattr(npppo, name))


def test_a_star_import_brings_all_of_them():
    namespace = {}
    exec("from npppo import *", namespace)
    assert set(npppo.__all__) <= set(namespace)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'npppo' has no attribute 'nope'"):
        npppo.nope  # noqa: B018


def test_whoever_checks_types_is_told_that_there_are_some():
    """By an empty file, which is installed with the package."""
    setup = configparser.ConfigParser()
    setup.read(PACKAGE.parent / "setup.cfg")
    assert setup["options.package_data"]["npppo"].split() == ["py.typed"]
    assert (PACKAGE / "py.typed").read_text() == ""


# Formulas that training has another form of, as the README says
TO_BE_READ = {
    *("categorical_log_prob", "categorical_entropy", "bernoulli_log_prob", "bernoulli_entropy"),
    *("categorical_sample", "ppo_loss", "ppo_loss_backward"),
    *("log_softmax_backward", "importance_ratio_backward", "mlp_jvp"),
}


def names_used(file):
    """What a file names outside of the definition of just that name."""
    tree = ast.parse(file.read_text())
    for statement in tree.body:
        own = getattr(statement, "name", None)
        for node in ast.walk(statement):
            name = getattr(node, "id", None) or getattr(node, "attr", None)
            if name and name != own:
                yield name


def test_every_formula_has_a_user():
    rooms = ("formulas", "agents", "algorithms", "training")
    used = {
        name
        for room in rooms
        for file in (PACKAGE / room).glob("*.py")
        for name in names_used(file)
    }
    assert set(npppo.contract.__all__) - used == TO_BE_READ
