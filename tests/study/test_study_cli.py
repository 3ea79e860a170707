"""The students' commands as they are typed."""

import re

import pytest

from npppo import cli, contract
from npppo.study import show
from npppo.study.worksheet import SHORT


def call(capsys, *arguments):
    """The exit code, what was printed, and what was said about errors."""
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


def test_a_function_and_its_backward_have_one_page(capsys):
    code, page, err = call(capsys, "study", "softmax")
    assert (code, err) == (0, "")
    assert page == show.page("softmax")
    assert call(capsys, "study", "softmax_backward") == (0, page, "")


def test_without_a_function_all_are_listed(capsys):
    assert call(capsys, "study") == (0, show.listing(), "")


WRONG = {
    "study softmx": "there is no function 'softmx', is it softmax?",
    "study Q": "there is no function 'Q', is it",
    "worksheet --functions gae adam": "there is no function 'adam', is it adam_step?",
    "worksheet --seed -1": "--seed is -1, expected 0 or more",
    "worksheet --seed x": "'x' is not a whole number",
    "worksheet --check {folder}/nothing.md": "npppo: {folder}/nothing.md: No such file",
    "worksheet --check {folder}": "Is a directory",
    "worksheet --check {folder}/sheet.md --answers": "--check takes no other options",
    "worksheet -o {folder}/nowhere/sheet.md": "there is no folder",
    "worksheet -o {folder}/sheet.md": "--force",
    "worksheet --check {folder}/empty.md": 'no line says "# Worksheet"',
    "worksheet --check {folder}/sheet.html": 'no line says "# Worksheet"',
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_clear_line(line, tmp_path, capsys):
    for name in ("sheet.md", "sheet.html"):
        assert call(capsys, "worksheet", "--html", "-o", tmp_path / name)[0] == 0
    (tmp_path / "empty.md").write_bytes(b"\xff\x00")
    code, out, err = call(capsys, *line.format(folder=tmp_path).split())
    assert (code, out) == (2, "")
    assert WRONG[line].format(folder=tmp_path) in err
    assert err.count("\n") == 1
    assert err.startswith("npppo: ")


def test_from_the_sheet_to_the_marks(tmp_path, capsys):
    sheet, key = tmp_path / "sheet.md", tmp_path / "key.md"
    code, out, _ = call(capsys, "worksheet", "--seed", 7, "-o", sheet)
    assert (code, out) == (0, f"wrote {sheet}\n")
    assert call(capsys, "worksheet", "--seed", 7, "--answers", "-o", key)[0] == 0
    assert call(capsys, "worksheet", "--seed", 7)[1] == sheet.read_text()
    assert re.findall(r"^## \d+\. (\w+)", sheet.read_text(), re.MULTILINE) == list(SHORT)

    code, out, _ = call(capsys, "worksheet", "--check", sheet)
    assert code == 1
    assert out.count("empty  ") == len(SHORT)
    assert out.endswith("\n0 of 40 numbers are right.\n")

    rows = [line for line in key.read_text().split("\n") if re.match(r"\| \w", line)]
    text = sheet.read_text()
    for row in rows:
        label = row.split("|")[1]
        text = re.sub(rf"\|{re.escape(label)}\|( ____ \|)+", row, text, count=1)
    sheet.write_text(text, encoding="utf-8-sig")
    code, out, _ = call(capsys, "worksheet", "--check", sheet)
    assert code == 0
    assert out.endswith("\n40 of 40 numbers are right.\n")

    sheet.write_text(text.replace(rows[0], re.sub(r"\d\.\d+", "7", rows[0])))
    code, out, _ = call(capsys, "worksheet", "--check", sheet)
    assert code == 1
    assert "Look again at p[0][0], p[0][1], p[0][2]." in out


def test_all_are_all(capsys):
    _, out, _ = call(capsys, "worksheet", "--functions", "all")
    assert re.findall(r"^## \d+\. (\w+)", out, re.MULTILINE) == contract.__all__
    _, page, _ = call(capsys, "worksheet", "--functions", "gae", "--html")
    assert page.startswith("<!DOCTYPE html>")
    assert "1. gae</h2>" in page
