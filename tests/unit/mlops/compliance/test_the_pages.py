import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from docs.make_commands import RESULTS
from pipelines.cli.compliance_commands import HTML, INDEX, JSON, compliance, write
from tests.support.markup import Page
from tests.support.shapes import faults
from tests.unit.mlops.release_report import cases

Hold = Callable[[], dict[str, dict[str, Any]]]


def test_structure_is_sound_and_every_link_arrives(project: Path) -> None:
    write(project)
    page = Page((project / HTML).read_text())
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert {e.attributes["href"][1:] for e in page.all("a")} <= set(ids)
    levels = [int(e.tag[1]) for e in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_page_and_json_say_the_same(project: Path, hold: Hold) -> None:
    held = hold()
    html = (project / HTML).read_text()
    counts = json.loads((project / JSON).read_text())["counts"]
    assert sum(counts.values()) == len(held)
    assert f"Evidence for {counts['met']} of {len(held)} requirements" in html
    for requirement in held:
        assert f'id="{requirement}"' in html


def test_the_same_inputs_give_the_same_bytes(
    project: Path, hold: Hold, log: Callable[..., None]
) -> None:
    log("run")
    hold()
    first = [(project / path).read_bytes() for path in (HTML, JSON, INDEX)]
    hold()
    assert [(project / path).read_bytes() for path in (HTML, JSON, INDEX)] == first


def test_names_from_data_and_config_are_escaped(project: Path) -> None:
    bad = "<script>alert(1)</script>"
    cases.leave(
        details={"bias_audit": cases.fairness([bad, "Male"])},
        changes={"report": {"title": bad, "purpose": bad}},
    )
    (project / "release.yaml").write_text(
        f"privacy: {{controller: '{bad}', recipients: ['{bad}']}}\n"
        f"compliance: {{auditor: '{bad}', contest: '{bad}'}}\n"
    )
    write(project)
    for path in (HTML, INDEX):
        assert "<script>" not in (project / path).read_text()


def test_the_index_lists_every_report_with_its_result(project: Path) -> None:
    (project / "reports/data_docs").mkdir(parents=True)
    (project / "reports/data_docs/index.html").write_text("<p>rules</p>")
    (project / "reports/model_release.html").write_text("<p>report</p>")
    (project / "reports/model_release.json").write_text('{"decision": {"verdict": "reject"}}')
    write(project)
    page = Page((project / INDEX).read_text())
    targets = [e.attributes["href"] for e in page.all("a") if "tbody" in e.inside]
    assert targets == ["compliance.html", "model_release.html", "data_docs/index.html"]
    assert all((project / "reports" / target).is_file() for target in targets)
    assert "reject" in (project / INDEX).read_text()


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--json"], 0), (["--strict"], 1)])
def test_exit_codes(project: Path, arguments: list[str], code: int) -> None:
    app = typer.Typer()
    app.command()(compliance)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code
    if "--json" in arguments:
        shown = json.loads(result.stdout)
        assert faults(shown, RESULTS["compliance"]) == []
        assert shown["counts"]["missing"] > 0


def test_many_old_files_do_not_swell_the_page(project: Path) -> None:
    (project / "quarantine").mkdir()
    for number in range(60):
        path = project / f"quarantine/{number}.parquet"
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    (project / "release.yaml").write_text("privacy: {retention_days: {quarantine: 1}}\n")
    write(project)
    assert len(json.loads((project / JSON).read_text())["kept_too_long"]) == 60
    html = (project / HTML).read_text()
    assert html.count("<code>quarantine/") == 50
    assert "And 10 more" in html
