"""``docs/params.md`` says what the typed models say."""

import yaml

from docs.make_params import PAGE, PROJECT, page


def test_the_page_is_what_the_models_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python docs/make_params.py"


def test_every_section_of_both_files_has_a_table() -> None:
    text = page()
    for file in ("params.yaml", "release.yaml"):
        sections = yaml.safe_load((PROJECT / file).read_text(encoding="utf-8"))
        names = {f"aiops.{name}" for name in sections.pop("aiops", {})} | set(sections)
        assert len(names) >= 7
        missing = {name for name in names if f"\n### {name}\n" not in text}
        assert not missing, f"{file}: {sorted(missing)}"


def test_a_key_shows_type_default_limits_and_description() -> None:
    row = "| `min_pages` | whole number | `20` | ≥ 1 | An alert name is noisy that paged so often"
    assert row in page()


def test_every_key_has_a_description() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 300
    bare = [row for row in rows if row.endswith("|  |")]
    assert not bare
