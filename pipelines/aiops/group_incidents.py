"""Stage ``group_incidents``: what belongs together, where it began, whom it reaches.

Outs (below the place): ``incidents/incidents.json``. It is made of the three files of findings of
the place (and of windows shortly before), and of alerts, changes and tickets of the lake.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.aiops.analysis import incident_file, posting
from pipelines.aiops.analysis.measured import Measured, write_measured
from pipelines.aiops.analysis.results import earlier_windows, is_whole, place_of, windows_in
from pipelines.aiops.analysis.window import Window, lake_of, window_of
from pipelines.aiops.artifacts import INCIDENTS
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.base.stage import run_stage, say

STAGE = "group_incidents"
TABLES = ("alerts", "changes", "tickets", "metrics", "logs", "spans")


def earlier_places(params: AiopsParams, window: Window) -> list[Path]:
    """Places of windows before, whose findings may belong to this window's incidents."""
    results = Path(params.analysis.results)
    return [place_of(results, one) for one in earlier_windows(results, window)]


def pending(params: AiopsParams, windows: Sequence[Window] | None = None) -> list[Window]:
    """Windows whose incidents are missing, or were made of other inputs than there are now.

    The order in which windows were analysed doesn't matter: a window is pending again when one
    shortly before it was analysed later, so in the end all are what they were on time.

    Parameters
    ----------
    windows
        Only these; None: all that have results.
    """
    results = Path(params.analysis.results)
    found = []
    for window in sorted(windows_in(results) if windows is None else set(windows)):
        place = place_of(results, window)
        if not is_whole(place):
            continue
        now = incident_file.inputs_of(place, earlier_places(params, window))
        if incident_file.inputs_known(place) != now:
            found.append(window)
    return found


def run(params: AiopsParams, window: Window, place: Path, earlier: Sequence[Path] = ()) -> Path:
    """Make the incidents of a window.

    Parameters
    ----------
    earlier
        `earlier_places`: an incident that began before the window is told whole.
    """
    lake_of(params.analysis)
    content, findings = incident_file.content_of(params, window, place, earlier)
    path = incident_file.write(place, content)
    counts = {**content["counts"]["findings"], "incidents": content["counts"]["incidents"]}
    write_measured(
        place,
        params,
        window,
        Measured(STAGE, INCIDENTS, TABLES, counts, findings, content["inputs"]),
    )
    say(
        f"{content['counts']['incidents']:,} incidents of {len(findings):,} findings, {window.name}"
    )
    return path


def post(params: AiopsParams, place: Path) -> list[dict[str, Any]]:
    """Send a place's incidents on, as ``group_incidents.post`` says; tell what was sent."""
    return posting.post_all(params.group_incidents.post, place)


def main(params: AiopsParams) -> None:
    """Run the stage."""
    run(params, window_of(params.analysis), Path())


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
