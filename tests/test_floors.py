"""The house as it is drawn: each file imports only from its own floor and those below."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest
from test_every_function import CONTRACT

import npppo

PACKAGE = Path(npppo.__file__).parent
FLOORS = [
    "shapes layers categorical gaussian returns losses optimizers",
    "agent check check_cases",
    "rollout",
    "blame progress threads algorithms algorithms.ppo checkpoint presets learner evaluate run",
    "plot contract "
    "grading grading.exercise grading.compare "
    "grading.catalogue grading.catalogue.layers grading.catalogue.networks "
    "grading.catalogue.orthogonal grading.catalogue.rows grading.catalogue.softmax "
    "grading.catalogue.categorical grading.catalogue.draws grading.catalogue.fisher "
    "grading.catalogue.gaussian grading.catalogue.gaussian_kl grading.catalogue.episodes "
    "grading.catalogue.returns grading.catalogue.gae grading.catalogue.normalize "
    "grading.catalogue.means grading.catalogue.ratio grading.catalogue.policy_gradient "
    "grading.catalogue.surrogate grading.catalogue.values grading.catalogue.ppo "
    "grading.catalogue.diagnostics grading.catalogue.optimizers "
    "grading.catalogue.conjugate_gradient "
    "grading.batteries grading.batteries.layers grading.batteries.categorical "
    "grading.batteries.gaussian grading.batteries.returns grading.batteries.losses "
    "grading.batteries.optimizers "
    "grading.exercises "
    "grading.codec grading.landlock grading.seccomp grading.guard grading.substitution "
    "grading.worker grading.start grading.nursery grading.sandbox grading.judge grading.attempt "
    "grading.match grading.observe grading.laws grading.diagnosis grading.excuse grading.search "
    "grading.explain grading.notebook grading.submission grading.assignment grading.report "
    "grading.marks grading.loading grading.grade grading.writers grading.starter grading.vectors "
    "grading.classroom grading.gradescope grading.selftest",
    "grading_cli cli __main__",
]
FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules.split()}
# The door re-exports what is on the floors, and no file inside goes through it.
DOORS = ["__init__"]
ABOVE_NUMPY = {
    "gymnasium": 2,
    "matplotlib": 4,
    "hypothesis": 4,
}  # package: the lowest floor that may import it


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(source, module):
    """Full names of all that is imported, wherever in the file; npppo's own start with "npppo."."""
    package = ["npppo", *module.split(".")[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = [*base, *(node.module or "").split(".")] if node.module else base
            for alias in node.names:
                yield ".".join([*base, alias.name])


def own_modules(names):
    """The modules of npppo among imported names; "npppo.layers.mlp" is of the module layers."""
    for name in names:
        package, *parts = name.split(".")
        if package == "npppo" and parts != ["__version__"]:  # which has no other place to stand
            yield next(
                (".".join(parts[:n]) for n in (3, 2, 1) if ".".join(parts[:n]) in MODULES),
                "__init__",
            )


def faults(source, module):
    """What `module` imports that it must not."""
    names = list(imports(source, module))
    above = [name for name in own_modules(names) if FLOOR.get(name, 99) > FLOOR[module]]
    foreign = [
        name
        for name in (name.split(".")[0] for name in names)
        if name not in ("npppo", "grader")  # as which a submission's process has this folder
        and name not in sys.stdlib_module_names
        and name != "numpy"
        and FLOOR[module] < ABOVE_NUMPY.get(name, 99)
    ]
    return above + foreign


def test_every_file_has_its_floor():
    assert set(MODULES) == {*FLOOR, *DOORS}


def test_the_worker_stands_alone():
    """It runs in a process that has NumPy and the standard library, and no npppo."""
    files = {"codec", "landlock", "seccomp", "guard", "substitution", "worker"}
    for file in {*files, "start"}:
        source = MODULES[f"grading.{file}"].read_text()
        assert {*own_modules(imports(source, f"grading.{file}"))} <= {
            f"grading.{other}" for other in files
        }


@pytest.mark.parametrize("module", FLOOR)
def test_a_module_imports_only_from_its_floor_or_below(module):
    assert faults(MODULES[module].read_text(), module) == []


@pytest.mark.parametrize(
    ("source", "module", "fault"),
    [
        ("from .agent import Agent", "layers", "agent"),
        ("from . import learner", "rollout", "learner"),
        ("from .. import cli", "algorithms.ppo", "cli"),
        ("from ..learner import PPO", "algorithms.ppo", None),  # the same floor
        ("def f():\n    from .run import train", "agent", "run"),
        ("from npppo.plot import plot", "run", "plot"),
        ("import npppo", "agent", "__init__"),
        ("from .contract import gae", "rollout", "contract"),
        ("import gymnasium.spaces", "agent", "gymnasium"),
        ("from matplotlib import pyplot", "run", "matplotlib"),
        ("import torch", "plot", "torch"),
    ],
)
def test_a_forbidden_import_is_found(source, module, fault):
    assert faults(source, module) == ([fault] if fault else [])


def test_floor_0_imports_no_other_floor_0_file_in_a_circle():
    """There is an order of reading in which each file only needs earlier ones."""
    needs = {
        module: {*own_modules(imports(MODULES[module].read_text(), module))}
        for module in FLOORS[0].split()
    }
    known = set()
    while ready := {module for module, needed in needs.items() if needed <= known} - known:
        known |= ready
    assert known == set(needs)


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
