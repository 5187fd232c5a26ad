import importlib.util
import re
import shutil
import sys
import tomllib
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from paths import ROOT
from version import VERSION
from videos.table import COLUMNS

PACKAGES = ("benchmarks", "inference", "tools", "training", "videos", "vision", "web")
FOLDERS = ("", "docs", "static", "templates", "tests", *PACKAGES)
DOCUMENTS = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.md"))]
OTHER_TEXTS = [ROOT / "templates" / "index.html", ROOT / "train.ipynb", *sorted((ROOT / "static").glob("*.js"))]
MOST_WORDS = 1300  # in the README
LINK = re.compile(r"\]\(([^()\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def read(path):
    return path.read_text(encoding="utf-8")


def anchors(document):
    """What may follow # in links to a document: its headings, as GitHub turns them into anchors."""
    found, seen = set(), Counter()
    for heading in re.findall(r"^#+ (.+)$", FENCED.sub("", read(document)), re.MULTILINE):
        plain = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def is_broken(document, address):
    link = urlsplit(address)
    if link.scheme:
        return False
    target = document.parent / unquote(link.path) if link.path else document
    if not target.exists() or ROOT not in target.resolve().parents:
        return True
    return bool(link.fragment) and link.fragment not in anchors(target)


def broken_links(document):
    return [address for address in LINK.findall(FENCED.sub("", read(document))) if is_broken(document, address)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_output_is_missing(document):
    assert all(block.partition("\n")[2].strip("`\n") for block in FENCED.findall(read(document)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_and_picture_exists(document):
    assert broken_links(document) == []


def test_a_broken_link_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path.resolve())
    document = tmp_path.resolve() / "page.md"
    document.write_text(
        "# A `b`: c\n[1](#a-b-c) [2](#d) [3](page.md#a-b-c) [4](gone.md) ![5](../x) [6](https://a.b/c)\n"
    )
    assert broken_links(document) == ["#d", "gone.md", "../x"]


def test_documents_that_other_texts_name_exist():
    named = {name for path in OTHER_TEXTS for name in re.findall(r"\b(?:docs/)?[\w-]+\.md\b", read(path))}
    assert [name for name in named if not (ROOT / name).exists()] == []


def is_program(name):
    """Whether the environment has a program of that name, for `pipenv run`."""
    return name in ("python", "python3") or shutil.which(name, path=Path(sys.executable).parent) is not None


@pytest.mark.parametrize("path", [*DOCUMENTS, *OTHER_TEXTS], ids=name_of)
def test_every_command_exists(path):
    text, scripts = read(path), tomllib.loads(read(ROOT / "Pipfile"))["scripts"]
    commands = set(re.findall(r"pipenv run ([\w-]+)", text))
    assert {name for name in commands if name not in scripts and not is_program(name)} == set()
    modules = set(re.findall(r"python3? -m ([\w.]+)", text))
    assert {name for name in modules if importlib.util.find_spec(name) is None} == set()


def test_the_readme_is_short():
    assert len(read(ROOT / "README.md").split()) <= MOST_WORDS


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^## (\d\S*)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == VERSION


def test_the_map_of_the_code_names_every_file():
    text = read(ROOT / "CONTRIBUTING.md")
    map_of_code = text[text.index("## Map of the code") : text.index("## Write")]
    for package in ("inference", "training", "videos", "vision", "web"):
        _, rows = map_of_code.split(f"| `{package}/` |")
        named = re.findall(r"^\| `(\w+\.py)`", rows.partition("\n\n")[0], re.MULTILINE)
        assert set(named) == {path.name for path in (ROOT / package).glob("*.py")} - {"__init__.py"}
    assert {path.name for path in ROOT.glob("*.py")} <= set(re.findall(r"^\| `(\w+\.py)`", map_of_code, re.MULTILINE))


def test_every_library_has_its_reason():
    pipfile, text = tomllib.loads(read(ROOT / "Pipfile")), read(ROOT / "CONTRIBUTING.md")
    libraries = {*pipfile["packages"], *pipfile["dev-packages"]}
    assert {name for name in libraries if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)} == set()


def test_the_tables_columns_are_described():
    text = read(ROOT / "docs" / "videos.md")
    table = text[text.index("## The table") : text.index("## Options")]
    described = re.findall(r"`(\w+)`", table)
    assert [name for name in COLUMNS if name not in described and not name.endswith("_smooth")] == []
