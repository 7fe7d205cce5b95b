"""What a lead reads in the morning: in production, waiting for a person, wrong and since when.

Each part is read on its own: where one can't be, the page says so in its place, and shows the rest.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import Standing, production, standing, title_of, waiting
from pipelines.release.registry.read import product_names
from pipelines.reporting.blocks import Text, identifier, join, strong
from pipelines.reporting.page import Banner
from signalbox_airflow import analysis_pages
from signalbox_airflow.pages.access import Project, Sees, User, respond
from signalbox_airflow.pages.kpis import number
from signalbox_airflow.pages.layout import (
    banner,
    card,
    cards,
    link,
    listed,
    page,
    since,
    when,
    word,
)
from signalbox_airflow.pages.questions import question_line, verdict

RULES = "alert_noise_reduction"
MODEL = "model_release"
_MOST = 5

router = APIRouter()


@router.get("/")
def show(project: Project, sees: Sees, user: User) -> HTMLResponse:
    """Answer with the overview."""
    now = datetime.now(UTC)
    products = [name for name in product_names(project) if sees(name)]
    asked = _tried(lambda: _questions(project, products, user, now))
    wrong = {
        "Incidents": _tried(lambda: _incidents(project, now) if sees(analysis_pages.DAG) else []),
        "Alarms of monitoring": _tried(lambda: _alarms(project, now) if sees(MODEL) else []),
        "KPIs off target": _tried(lambda: _kpis(project, products, now)),
        "Alert rules": _tried(lambda: _expired(project, now) if sees(RULES) else []),
        "Ledger and registry": _tried(lambda: _damage(project, products)),
    }
    bad = [name for name, lines in wrong.items() if lines]
    body = Markup("\n").join(
        [
            banner(_summary(asked, bad)),
            cards(
                _production(project, products, now),
                card(
                    "Waiting for a person",
                    "open" if asked else "good",
                    listed(asked) or Markup("<p>{}</p>").format("No question is open."),
                ),
            ),
            Markup("<h2>{}</h2>").format("What is wrong now"),
            cards(
                *(_part(name, lines) for name, lines in wrong.items() if lines),
                _well(project, [name for name, lines in wrong.items() if not lines]),
            ),
        ]
    )
    return respond(page("Overview", "overview", body))


def _tried(read: Callable[[], list[Text]]) -> list[Text]:
    """Read a part; what keeps it from being read is what stands there then."""
    try:
        return read()
    except SignalboxError as error:
        return [join(word("bad", "cannot be read"), " ", str(error))]


def _summary(asked: list[Text], bad: list[str]) -> Banner:
    waits = f"{len(asked) or 'No'} question{'s' if len(asked) != 1 else ''} open"
    if bad:
        named = ", ".join(part[0].lower() + part[1:] if part != "KPIs off target" else part
                          for part in bad)  # fmt: skip
        return Banner(f"To look at: {named}", "open", [waits + "."])
    if asked:
        return Banner(waits, "open", ["Nothing else is wrong."])
    return Banner("Nothing waits and nothing is wrong", "good", [])


_MORE = {
    "Incidents": ("/incidents", "All windows"),
    "KPIs off target": ("/kpis", "All KPIs"),
    "Alert rules": ("/rules", "All rules"),
    "Ledger and registry": ("/ledger", "The ledger"),
}


def _part(name: str, lines: list[Text]) -> Markup:
    left = len(lines) - _MOST
    rest: list[Text] = [f"and {left} more"] if left > 0 else []
    where = _MORE.get(name)
    more = Markup("<p>{}</p>").format(link(*where)) if where else ""
    return card(name, "bad", listed([*lines[:_MOST], *rest]), more)


def _well(project: Path, names: list[str]) -> Markup:
    """Draw what isn't wrong, in one card; nothing that was never looked at counts as well."""
    if not names:
        return Markup("")
    windows = bool(analysis_pages.known_windows(project, 1)[0])
    watched = any((project / "monitoring").glob("[!.]*.json"))
    said = {
        "Incidents": "no incident in the newest window" if windows else "",
        "Alarms of monitoring": "no alarm on the latest day of monitoring" if watched else "",
        "KPIs off target": "every KPI that has a value meets its target",
        "Alert rules": "no rule in production has expired",
        "Ledger and registry": "every entry holds, and tags and pointers agree with them",
    }
    never = {
        "Incidents": "no window of telemetry was analysed yet",
        "Alarms of monitoring": "no scored batch was watched yet",
    }
    lines: list[Text] = [
        join(word("good", "well"), " ", link(_MORE[name][0], said[name]) if name in _MORE
             else said[name]) if said[name] else join(word("quiet", "unknown"), " ", never[name])
        for name in names
    ]  # fmt: skip
    return card("Everything else", "good", listed(lines))


def _production(project: Path, products: list[str], now: datetime) -> Markup:
    def lines() -> list[Text]:
        return [_stands(standing(project, name), now) for name in products]

    return card(
        "In production",
        "info",
        listed(_tried(lines)),
        Markup("<p>{}</p>").format(link("/releases", "Releases and decisions")),
    )


def _stands(now_in: Standing, now: datetime) -> Text:
    title = link(f"/releases#{now_in.product}", now_in.title)
    if now_in.version:
        what: Text = join(strong(now_in.version), " ", since(now_in.since, now))
    else:
        what = "nothing released yet"
    last = now_in.last_run
    if last is None:
        run: Text = "no run yet"
    else:
        failed = last.failed or last.inconclusive
        why = f" ({len(last.failed)} failed)" if last.failed else ""
        run = join("last run ", when(last.time), ": the gate says ", verdict(last.verdict),
                   why if failed else "")  # fmt: skip
    return join(title, ": ", what, Markup("<br>"), run)


def _questions(project: Path, products: list[str], user: str, now: datetime) -> list[Text]:
    found = [question for question in waiting(project, now) if question.product in products]
    return [question_line(question, user, now) for question in found]


def _incidents(project: Path, now: datetime) -> list[Text]:
    from pipelines.aiops.report.incidents import wording
    from pipelines.aiops.report.incidents.links import worst_first

    known, _ = analysis_pages.known_windows(project, 1)
    if not known or known[0].incidents is None:
        return []
    newest = known[0].incidents
    found: list[Text] = []
    for incident in worst_first(newest.incidents, newest.findings.get):
        start = datetime.fromtimestamp(incident.start_us / 1e6, UTC).isoformat()
        suspect: Text = ""
        if incident.causes:
            first = wording.shown(incident.causes[0].service)
            suspect = join("; first suspect ", strong(first))
        found.append(
            join(
                link(known[0].address, wording.shown(incident.title)), Markup("<br>"),
                since(start, now), suspect,
            )
        )  # fmt: skip
    return found


def _alarms(project: Path, now: datetime) -> list[Text]:
    from pipelines.mlops.monitoring.result import standing_alarms

    return [
        join(
            word("bad", identifier(alarm.watched.id)), " ", alarm.watched.sentence,
            Markup("<br>"), since(f"{alarm.since}T00:00:00+00:00", now), ", owner ",
            alarm.watched.owner,
        )
        for alarm in standing_alarms(project)
    ]  # fmt: skip


def _kpis(project: Path, products: list[str], now: datetime) -> list[Text]:
    from pipelines.release.kpis import product_kpis

    found: list[Text] = []
    for product in products:
        for result in product_kpis(project, product):
            if result.met is not False or result.value is None:
                continue
            unit = result.kpi.unit
            bound = number(result.kpi.target, unit)
            target = f"{result.kpi.direction.replace('_', ' ')} {bound}"
            began = result.off_target_since
            found.append(
                join(
                    strong(result.kpi.measures), ": ", number(result.value, unit),
                    f", target {target}", Markup("<br>"),
                    since(began, now) if began else "since when is not known",
                    f", owner {result.kpi.owner}",
                )
            )  # fmt: skip
    return found


def _expired(project: Path, now: datetime) -> list[Text]:
    from pipelines.aiops.alerting.publishing.harmful_rules import expired_rules

    released = production(project, RULES) if RULES in product_names(project) else None
    if released is None:
        return []
    expired, rules = expired_rules(project, released.commit, now.date())
    if not expired:
        return []
    first = expired[0].expires
    return [
        join(
            word("bad", f"{len(expired)} of {rules} expired"), " ",
            f"Rules of {released.name} that publication leaves out; the first ",
            since(f"{first.isoformat()}T00:00:00+00:00", now), ". Mine and release anew.",
        )
    ]  # fmt: skip


def _damage(project: Path, products: list[str]) -> list[Text]:
    problem = Ledger.of(project).verify_with_tags().problem
    found: list[Text] = []
    if problem is not None:
        found.append(join(word("bad", f"entry {problem.seq}"), " ", problem.reason))
    for name in products:
        for text in standing(project, name).problems:
            if problem is None or problem.reason not in text:
                found.append(join(strong(title_of(name)), ": ", text))
    return found
