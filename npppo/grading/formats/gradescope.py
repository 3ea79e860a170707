"""An autograder for Gradescope: one zip to upload, which needs no network beyond pip.

In the zip: setup.sh (runs once and installs the wheel), run_autograder (runs for each
submission), the wheel of this very npppo, the assignment, the salt, the teacher's own mistakes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import secrets
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ... import __version__
from ...training.checkpoint import write_text
from ..desk.additions import add_mistakes
from ..desk.assignment import read_assignment
from ..desk.classroom import is_code, visible
from ..desk.grade import grade
from ..desk.submission import UnreadableError, read_submission
from .writers import dumps, gradescope

ASSIGNMENT, SALT, MISTAKES = "assignment.ini", "salt.txt", "mistakes.txt"
SETUP = """#!/usr/bin/env bash
# Runs once, when the image is built.
set -euo pipefail
python3 -m pip --version >/dev/null 2>&1 || {{ apt-get update; apt-get install -y python3-pip; }}
python3 -m pip install --target /autograder/npppo "/autograder/source/{wheel}[grade]"
"""
RUN = """#!/usr/bin/env bash
# Runs for each submission.
export PYTHONPATH=/autograder/npppo OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
exec python3 -m npppo.grading.formats.gradescope /autograder
"""
# A zip made twice has the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


def autograder(assignment: Path | None, salt: str | None, mistakes: Path | None = None) -> bytes:
    """The zip. Without a salt a random one is drawn, so that nobody can foresee the inputs."""
    add_mistakes(mistakes)  # which the assignment may give credit for
    read_assignment(assignment)
    name = f"npppo-{__version__}-py3-none-any.whl"
    settings = assignment.read_bytes() if assignment else b"[assignment]\n"
    files = {
        "setup.sh": SETUP.format(wheel=name).encode(),
        "run_autograder": RUN.encode(),
        name: wheel(),
        ASSIGNMENT: settings,
        SALT: (secrets.token_hex(16) if salt is None else salt).encode(),
    }
    return zipped(files | ({MISTAKES: mistakes.read_bytes()} if mistakes is not None else {}))


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            executable = data.startswith(b"#!")
            entry.create_system = 3  # Unix, whose permissions these are
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return content.getvalue()


def wheel() -> bytes:
    """The installed package as a wheel: its files, what it requires and a record of both."""
    try:
        requires = distribution("npppo").requires or []
    except PackageNotFoundError:
        raise ValueError("npppo itself is not installed here; install it with pip first") from None
    metadata = ["Metadata-Version: 2.1", "Name: npppo", f"Version: {__version__}"]
    metadata += ["Requires-Python: >=3.10", "Provides-Extra: grade"]
    metadata += [f"Requires-Dist: {one}" for one in requires if "extra" not in one]
    metadata += [f"Requires-Dist: {one}" for one in requires if re.search("extra.*grade", one)]
    package = Path(__file__).parents[2]
    files = {
        f"npppo/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted([*package.rglob("*.py"), *package.rglob("*.txt")])
    }
    info = f"npppo-{__version__}.dist-info"
    files[f"{info}/METADATA"] = "\n".join([*metadata, ""]).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: npppo\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\nnpppo = npppo.cli:main\n"
    record = [f"{name},sha256={digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    return zipped(files)


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def run(root: Path) -> None:
    """What run_autograder does. Whatever happens, it leaves a complete results.json."""
    results = root / "results" / "results.json"
    write_text(results, failure("The grader did not finish. Please tell your teacher."))
    source = root / "source"
    if (source / MISTAKES).exists():
        add_mistakes(source / MISTAKES)
    assignment = read_assignment(source / ASSIGNMENT)
    salt = (source / SALT).read_text("utf-8").strip()
    try:
        report = grade(read_submission(handed_in(root / "submission")), assignment, salt)
    except UnreadableError as error:
        write_text(results, failure(f"Your submission cannot be graded: {error}."))
    else:
        write_text(results, gradescope(report))


def handed_in(folder: Path) -> Path:
    """The one file in it (or, if there is none, in the folders in it), or the one that is called
    as the starter file is."""
    everywhere = [path for path in sorted(visible(folder)) if is_code(path)]
    files = [path for path in everywhere if path.parent == folder] or everywhere
    named = [path for path in files if path.name.lower() == "my_ppo.py"]
    if len(files) != 1 and len(named) != 1:
        raise UnreadableError(
            f"expected one .py or .ipynb file, or one called my_ppo.py, found {len(files)}"
        )
    return (named or files)[0]


def failure(message: str) -> str:
    return dumps({"score": 0, "output": message, "output_format": "text", "tests": []})


if __name__ == "__main__":
    run(Path(sys.argv[1]))
