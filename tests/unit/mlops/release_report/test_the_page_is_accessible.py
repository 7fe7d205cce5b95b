"""Structure, names and contrast that a reader with or without eyes needs."""

import re
from itertools import pairwise

import pytest

from pipelines.mlops import report
from pipelines.reporting.page import TEMPLATES, render
from tests.support.markup import Page

from . import cases

BESIDE = re.compile(r"compliance\.html(#[a-z0-9_.-]+)?$")
"""The compliance report, which lies in the same folder."""


@pytest.fixture
def page(here):
    return Page(render(report.make_page(report.gather_inputs(cases.leave()))))


def test_language_title_and_landmarks(page):
    assert page.all("html")[0].attributes["lang"] == "en"
    assert "Model release report" in page.all("title")[0].text
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1


def test_headings_go_down_one_step_at_a_time(page):
    levels = [int(e.tag[1]) for e in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_ids_are_unique_and_every_link_arrives(page):
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    targets = [e.attributes["href"] for e in page.all("a")]
    assert targets
    here = [target for target in targets if not BESIDE.match(target)]
    assert all(target.startswith("#") and target[1:] in ids for target in here)
    labels = [e.attributes["aria-labelledby"] for e in page.elements
              if "aria-labelledby" in e.attributes]  # fmt: skip
    assert set(labels) <= set(ids)


def test_the_contents_lead_to_every_chapter_decision_first(page):
    chapters = [e for e in page.all("h2") if "main" in e.inside]
    links = [e for e in page.all("a") if "nav" in e.inside]
    assert [link.attributes["href"][1:] for link in links] == [c.attributes["id"] for c in chapters]
    assert links[0].text == "Decision and checks"
    assert links[-1].text == "Provenance"


def test_every_cell_of_a_table_has_heads(page):
    for head in page.all("th"):
        assert head.attributes["scope"] in ("col", "row")
    assert len(page.all("caption")) == len(page.all("table"))
    for row in page.all("tr"):
        assert "thead" in row.inside or "tbody" in row.inside or "tfoot" in row.inside


def test_every_drawing_has_a_name_or_is_hidden(page):
    for drawing in page.all("svg"):
        named = drawing.attributes.get("role") == "img" and drawing.attributes.get("aria-label")
        assert named or drawing.attributes.get("aria-hidden") == "true"
    titles = [e for e in page.all("title") if "svg" in e.inside]
    assert len(titles) == sum(1 for e in page.all("svg") if e.attributes.get("role") == "img")


def test_nothing_is_fetched(page):
    for element in page.elements:
        for name in ("src", "href", "data", "poster", "srcset"):
            value = element.attributes.get(name, "#")
            assert value.startswith("#") or value == "data:," or BESIDE.match(value)
    css = (TEMPLATES / "style.css").read_text()
    assert "url(" not in css
    assert "@import" not in css


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("text", ["ink", "soft", "good", "bad", "open", "link"])
@pytest.mark.parametrize(
    "paper", ["paper", "wash", "good-wash", "bad-wash", "open-wash", "quiet-wash"]
)
def test_text_stands_out_from_its_ground(text, paper):
    """WCAG 2.2, success criterion 1.4.3."""
    css = (TEMPLATES / "style.css").read_text()
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", css))
    full = {
        k: v if len(v) == 7 else "#" + "".join(c * 2 for c in v[1:]) for k, v in colours.items()
    }
    light, dark = luminance(full[paper]), luminance(full[text])
    assert (light + 0.05) / (dark + 0.05) >= 4.5
