"""The drift page: Evidently's own, with the same bytes for the same data.

Evidently's page carries its scripts, styles and fonts inside and needs no network (about 4.3 MB);
all comparisons share one page. It names its widgets by random ids, which are replaced by numbers
in order of first appearance.
"""

import re
from itertools import pairwise
from typing import Any

from pipelines.mlops.drift_compare import quiet_evidently

MAX_BYTES = 5_000_000
_ID = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|(?<=metric_)[0-9a-f]{32}\b"
)


def page(snapshots: dict[str, Any]) -> str:
    """Render Evidently's results as one page.

    Parameters
    ----------
    snapshots
        Title -> result of ``Report.run``, in the order in which they are shown.
    """
    if not snapshots:
        return _EMPTY
    with quiet_evidently():
        from evidently.core.report import render_widgets
        from evidently.legacy.renderers.html_widgets import group_widget

        # A snapshot renders itself alone; several on one page need its widgets.
        groups = [
            group_widget(title=title, widgets=snapshot._widgets)
            for title, snapshot in snapshots.items()
        ]
        return stable_ids(render_widgets(groups, as_iframe=False))


def stable_ids(html: str) -> str:
    """Replace random ids by numbers of the same form, in order of first appearance."""
    seen: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        found = match[0]
        if found not in seen:
            digits = f"{len(seen) + 1:032x}"
            seen[found] = digits if "-" not in found else _dashed(digits)
        return seen[found]

    return _ID.sub(number, html)


def _dashed(digits: str) -> str:
    cuts = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[a:b] for a, b in pairwise(cuts))


_EMPTY = """<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><title>Drift</title></head>
<body><p>No column has values in both tables: nothing to compare.</p></body></html>
"""
