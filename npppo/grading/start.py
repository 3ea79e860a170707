"""The child's first moments: `python -S -s -B start.py WHERE_NUMPY_IS`.

Loads the files of this folder that run a submission, then NumPy from the one place where it may
be found, and takes both ways back: what comes later finds the standard library alone, and of
NumPy what NumPy finds by itself.
"""

from __future__ import annotations

import builtins
import linecache
import sys
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from os.path import abspath, dirname
from types import ModuleType
from typing import Any

HERE = dirname(abspath(__file__))
PACKAGE = "grader"


class Loader(SourceFileLoader):
    """A submission may replace any builtin; what is loaded here looks its own up in a copy."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = dict(vars(builtins))
        super().exec_module(module)


class Finder:
    """Finds the files of this folder as a package that is not npppo."""

    files = FileFinder(HERE, (Loader, [".py"]))

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return self.files.find_spec(name) if name.startswith(f"{PACKAGE}.") else None


def main(numpy: str) -> None:
    standard = [path for path in sys.path if path != HERE]
    package = ModuleType(PACKAGE)
    package.__path__ = [HERE]
    sys.modules[PACKAGE] = package
    finder = Finder()
    sys.meta_path.insert(0, finder)
    sys.path[:] = [*standard, numpy]
    from grader import worker  # type: ignore[import-not-found]

    sys.path[:] = standard
    sys.path_importer_cache.pop(numpy, None)  # it knows what else is installed there
    sys.meta_path.remove(finder)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        file = getattr(sys.modules.pop(name), "__file__", __file__)
        linecache.cache[file] = (0, None, [], file)  # tracebacks pass through what nobody may read
    worker.main(standard)


if __name__ == "__main__":
    main(sys.argv[1])
