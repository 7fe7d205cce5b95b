"""Paths, links, modules and commands in the documentation exist in this repository."""

import importlib.util
import re
from pathlib import Path

import pytest

from pipelines.cli.main import app

PROJECT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [
        *(
            PROJECT / name
            for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
        ),
        *(PROJECT / "docs").glob("*.md"),
    ]
)
FOLDERS = (
    ".ci", "benchmarks", "dags", "docs", "expectations", "ledger", "pipelines", "plugins", "tests",
)  # fmt: skip
"""Folders of code and documents: a path in backticks that begins with one of them must exist."""
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
OLD_NAMES = "<!-- names that are gone -->"
"""Before this mark in a page stand names of today; behind it, a table old → new."""
MADE = ("ledger/ledger.jsonl", "ledger/archive/", "ledger/torn/")
"""Paths that come into being in use."""


def _prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8").partition(OLD_NAMES)[0])


def _paths(text: str) -> list[str]:
    found = [code.strip() for code in CODE.findall(text)]
    return [
        code
        for code in found
        if re.fullmatch(r"[\w./-]+", code)
        and code.partition("/")[0] in FOLDERS
        and "/" in code
        and code not in MADE
    ]


def _anchor(heading: str) -> str:
    """Anchor that GitHub gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", ""))
    return kept.replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "ledger/README.md"], ids=lambda page: page.name)
def test_paths_in_backticks_exist(page: Path) -> None:
    missing = [path for path in _paths(_prose(page)) if not (PROJECT / path).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_and_anchors_lead_somewhere(page: Path) -> None:
    broken = []
    for pair in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        link = pair[0] or pair[1]
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_in_backticks_can_be_found(page: Path) -> None:
    names = re.findall(
        r"`(?:python -m )?((?:pipelines|benchmarks|dvc_airflow)\.[\w.]+)`", _prose(page)
    )
    missing = [name for name in names if not _is_there(name)]
    assert not missing


def _is_there(name: str) -> bool:
    """Whether it is a module, or a name in one."""
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_signalbox_exist(page: Path) -> None:
    known = _commands()
    text = page.read_text(encoding="utf-8").partition(OLD_NAMES)[0]
    named = re.findall(r"(?:`|^)signalbox ([a-z_-]+)(?: ([a-z_-]+))?", text, re.MULTILINE)
    unknown = {
        " ".join(filter(None, words))
        for words in named
        if words[0] not in known
        or (known[words[0]] and words[1] and words[1] not in known[words[0]])
    }
    assert not unknown


def _commands() -> dict[str, set[str]]:
    """Command → its subcommands."""
    import typer.main

    group = typer.main.get_command(app)
    return {
        name: set(getattr(command, "commands", {}))
        for name, command in getattr(group, "commands", {}).items()
    }


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    readme = PROJECT / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert len(text.encode()) <= 8192
    pages = {f"docs/{page.name}" for page in (PROJECT / "docs").glob("*.md")}
    assert len(pages) >= 13
    assert pages <= {pair[0] for pair in LINK.findall(text)}


def test_what_is_checked_is_not_empty() -> None:
    assert len(_paths(_prose(PROJECT / "docs" / "architecture.md"))) > 20


@pytest.mark.parametrize(
    ("walk", "most"), [("The walk of an alert", 50), ("The walk of a row", 30)]
)
def test_a_walk_through_the_code_opens_few_files(walk: str, most: int) -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {walk}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    files = {path for path in _paths(section) if path.endswith(".py")}
    assert most / 2 < len(files) <= most
