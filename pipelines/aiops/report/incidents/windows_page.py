"""All windows on one page: how many incidents each has, its worst one, and the way to its pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from pipelines.aiops.incidents.model import Incident, IncidentsFile
from pipelines.aiops.report.incidents import wording
from pipelines.aiops.report.incidents.links import worst_first
from pipelines.reporting.blocks import (
    Block,
    Chapter,
    Column,
    Facts,
    Prose,
    Row,
    Table,
    Text,
    join,
    paged,
    strong,
)
from pipelines.reporting.numbers import NONE
from pipelines.reporting.page import Banner, Page


@dataclass(frozen=True)
class Known:
    """A window that has pages.

    Attributes
    ----------
    start : datetime
        First moment.
    end : datetime
        End, not included.
    address : str
        Address of the page about its incidents.
    incidents : IncidentsFile or None
        Incidents of the window; None if they can't be read.
    """

    start: datetime
    end: datetime
    address: str
    incidents: IncidentsFile | None


def windows_page(windows: Sequence[Known], *, left_out: int = 0) -> Page:
    """Make the page that lists all windows.

    Parameters
    ----------
    windows : sequence of Known
        The latest first.
    left_out : int, default 0
        Older ones that aren't listed.

    Returns
    -------
    Page
    """
    synthetic = any(
        known_window.incidents is not None and known_window.incidents.synthetic
        for known_window in windows
    )
    return Page(
        kind="Incidents" + (" · synthetic data" if synthetic else ""),
        title="Incidents by window",
        banner=_banner(windows),
        facts=Facts([("Windows", f"{len(windows) + left_out:,}"), ("Times", "UTC")]),
        chapters=[Chapter("windows", "Windows, the latest first", _listed(windows, left_out))],
        foot="Made by Signalbox from the incidents of each window. The pages of a window say "
        "where every figure comes from.",
    )


def _banner(windows: Sequence[Known]) -> Banner:
    incidents = next(
        (known_window.incidents for known_window in windows if known_window.incidents is not None),
        None,
    )
    if incidents is None:
        return Banner(
            "Nothing analysed yet", "quiet",
            ["Unpause the DAGs telemetry_anomalies, service_map and incidents, or trigger them."],
        )  # fmt: skip
    worst = _worst(incidents)
    if worst is None:
        return Banner("No incident in the latest window", "good", [])
    count = wording.number_of(len(incidents.incidents), "incident")
    return Banner(
        f"{count} in the latest window", "open",
        [join("The worst: ", strong(wording.shown(worst.title)), ".")],
    )  # fmt: skip


def _listed(windows: Sequence[Known], left_out: int) -> list[Block]:
    table = Table(
        caption=wording.number_of(len(windows), "window"),
        columns=[
            Column("Window (UTC)"),
            Column("Incidents", numeric=True),
            Column("The worst", wide=True),
            Column("Its first suspect"),
        ],
        rows=[
            Row([_link(known_window), *_cells(known_window.incidents)]) for known_window in windows
        ],
    )
    older = f"{wording.number_of(left_out, 'older window')} more: signalbox incidents list"
    return [*paged(table), *([Prose(older, quiet=True)] if left_out else [])]


def _link(known_window: Known) -> Markup:
    same_day = known_window.start.date() == known_window.end.date()
    end = f"{known_window.end:%H:%M}" if same_day else f"{known_window.end:%Y-%m-%d %H:%M}"
    return Markup('<a href="{}">{:%Y-%m-%d %H:%M} to {}</a>').format(
        known_window.address, known_window.start, end
    )


def _cells(incidents: IncidentsFile | None) -> list[Text]:
    if incidents is None:
        return [NONE, "can’t be read; run report_incidents anew", NONE]
    worst = _worst(incidents)
    if worst is None:
        return ["0", NONE, NONE]
    suspect = wording.shown(worst.causes[0].service) if worst.causes else NONE
    return [f"{len(incidents.incidents):,}", wording.shown(worst.title), suspect]


def _worst(incidents: IncidentsFile) -> Incident | None:
    return next(iter(worst_first(incidents.incidents, incidents.findings.get)), None)
