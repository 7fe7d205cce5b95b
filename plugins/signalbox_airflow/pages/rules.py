"""Alert rules in production: what each does, has saved and may have hidden, and how it ends."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from pipelines.reporting.blocks import (
    Callout,
    Code,
    Facts,
    Prose,
    Tone,
    identifier,
    join,
)
from pipelines.reporting.numbers import NONE, count
from signalbox_airflow.pages.access import Project, Sees, require, respond
from signalbox_airflow.pages.feedback import Judge
from signalbox_airflow.pages.layout import draw, page, when, word
from signalbox_airflow.pages.subjects import (
    RULES_DAG,
    Source,
    evidence_at,
    mines_simulated,
    newest_evidence,
    of_rule,
    released_rules,
)

if TYPE_CHECKING:
    from pipelines.aiops.alerting.evidence import IncidentOutcome
    from pipelines.aiops.alerting.publishing.released import ReleasedRules
    from pipelines.aiops.alerting.rules import Rule

router = APIRouter()
Judging = Annotated[Judge, Depends()]
SOON_DAYS = 14
OPEN = 5
"""So many rules are shown in full; the others are folded."""


@router.get("/rules")
def show(project: Project, sees: Sees, judge: Judging) -> HTMLResponse:
    """Answer with the rules in production."""
    require(sees, RULES_DAG)
    released = released_rules(project)
    if released is None:
        body = draw(
            Callout(
                "quiet",
                "No rule set is in production",
                "Run the DAG alert_noise_reduction and answer its question.",
            )
        )
        return respond(page("Alert rules", "rules", body))
    found = Production(project, released, datetime.now(UTC).date())
    rules = sorted(released.rules, key=found.order)
    shown = Markup("").join(found.card(rule, judge) for rule in rules[:OPEN])
    folded = Markup("").join(found.card(rule, judge) for rule in rules[OPEN:])
    rest = (
        Markup('<details class="rest"><summary>{} rules more</summary>{}</details>').format(
            len(rules) - OPEN, folded
        )
        if folded
        else Markup("")
    )
    body = draw(found.facts(), *found.notices()) + found.withdraw_help() + shown + rest
    return respond(page("Alert rules in production", "rules", body))


class Production:
    """The rules in production, and what is known of each.

    Parameters
    ----------
    project : Path
        The project's folder.
    released : ReleasedRules
        The release.
    today : date
        UTC.
    """

    def __init__(self, project: Path, released: "ReleasedRules", today: date) -> None:
        from pipelines.aiops.alerting.evidence import ReplayDetails, WatchDetails
        from pipelines.aiops.alerting.publishing.released import in_shadow, withdrawn
        from pipelines.release.ledger import Ledger

        entries = Ledger.of(project).entries()
        self.project, self.released, self.today = project, released, today
        self.withdrawn = withdrawn(entries)
        self.shadow = in_shadow(entries) is not None
        replay = evidence_at(project, released.commit, "replay_rules")
        self.replay = ReplayDetails.model_validate(replay.details) if replay else None
        self.saved = (
            {outcome.rule.id: outcome for outcome in self.replay.rules} if self.replay else {}
        )
        watched: Source | None = newest_evidence(project, RULES_DAG, "watch_rules")
        details = WatchDetails.model_validate(watched.evidence.details) if watched else None
        # What was watched may have been the release before this one.
        self.watched_from = watched if details and details.released == released.name else None
        self.watch: WatchDetails | None = details if self.watched_from else None
        self.harmful = {rule.rule: rule for rule in self.watch.harmful_rules} if self.watch else {}
        since = self.watch.since_release if self.watch else None
        self.since_start = since.start if since else ""
        self.since = {saved.rule: saved for saved in since.rules} if since else {}

    def order(self, rule: "Rule") -> tuple[bool, bool, float, str]:
        """Sort harmful rules first, withdrawn ones last, then those that save most."""
        saved = self.saved.get(rule.id)
        return (
            rule.id in self.withdrawn,
            rule.id not in self.harmful,
            -(saved.pages_saved if saved else 0.0),
            rule.id,
        )

    def facts(self) -> Facts:
        """Say what is in production, and what it does as a whole."""
        watch = self.watch
        since = "not watched yet: the next run of the DAG does"
        if watch is not None and watch.effect is not None and watch.window is not None:
            share = watch.effect.saved_share
            saved = "no page was sent" if share is None else f"{share:.0%} of pages saved"
            since = (
                f"{saved}, {watch.effect.missed} of {watch.effect.incidents} credible incidents "
                f"missed ({watch.window[0][:10]} to {watch.window[1][:10]})"
            )
        judged = NONE
        if self.replay is not None:
            outcome = self.replay.outcome
            share = outcome.saved_share
            judged = (
                f"{NONE if share is None else f'{share:.0%}'} of pages saved, {outcome.missed} of "
                f"{outcome.incidents} credible incidents missed, on days that rules weren't mined "
                "from"
            )
        return Facts(
            [
                ("Release", self.released.name),
                ("Rules", f"{len(self.released.rules):,}, of them {len(self.withdrawn):,} "
                          "withdrawn" if self.withdrawn else f"{len(self.released.rules):,}"),
                ("Where", "in shadow: in no file" if self.shadow else "in production"),
                ("Judged at the release", judged),
                ("Replayed on the newest days", since),
            ]
        )  # fmt: skip

    def notices(self) -> list[Callout | Prose]:
        """Say what a reader must not miss, and whether what is said here reaches mining."""
        found: list[Callout | Prose] = []
        if self.harmful:
            found.append(
                Callout(
                    "bad",
                    f"{len(self.harmful)} harmful",
                    "These rules hid an incident of late, or delayed it beyond use: they come "
                    "first below.",
                )
            )
        if mines_simulated(self.project):
            found.append(
                Prose(
                    "What is said here is kept, but doesn’t reach mining: these rules are mined "
                    "from the simulated world, which is the same each time. With "
                    "aiops.alert_history.lake of your own in params.yaml it does.",
                    quiet=True,
                )
            )
        return found

    def withdraw_help(self) -> Markup:
        """Say once how a rule ends."""
        return draw(
            Prose(
                "A rule ends by itself at its expiry. To end one now, copy its command and write "
                "the reason: it stands in the ledger, and the files are written anew.",
                quiet=True,
            )
        )

    def card(self, rule: "Rule", judge: Judge) -> Markup:
        """Draw a rule."""
        harmful, saved = self.harmful.get(rule.id), self.saved.get(rule.id)
        left = (rule.expires - self.today).days
        ends = f"{rule.expires.isoformat()} ({_days(left)})"
        facts = Facts(
            [
                ("Alerts held, judged", count(saved.alerts if saved else None)),
                ("Pages saved, judged (estimate)", count(saved.pages_saved if saved else None)),
                ("Pages saved since the release (estimate)", self._since(rule)),
                ("Incidents with its alerts", self._incidents(rule)),
                ("Expires", ends),
                ("Team", rule.team or NONE),
            ]
        )
        parts = [draw(Prose(rule.sentence), facts)]
        if harmful is not None:
            words = []
            if harmful.missed:
                words.append(f"hid {', '.join(harmful.missed[:5])}")
            if harmful.late:
                words.append(f"delayed {', '.join(harmful.late[:5])} beyond use")
            also = "" if harmful.sole_cause else " (together with other rules)"
            parts.append(draw(Callout("bad", "Harmful", f"It {' and '.join(words)}{also}.")))
        if rule.id in self.withdrawn:
            parts.append(draw(Callout("quiet", "Withdrawn", self.withdrawn[rule.id])))
        else:
            command = f"signalbox rules withdraw {rule.id} --reason '…'"
            parts.append(draw(Code([command], "Withdraw it")))
        said = Markup(
            '<details class="judging"><summary>What people say{}</summary>{}</details>'
        ).format(
            Markup(" ({})").format(n) if (n := len(judge.answers("rule", rule.id))) else "",
            judge.section(of_rule(rule, self.released.name)),
        )
        tone, state = self._state(rule, left)
        title = join(_title(rule), " ", identifier(rule.id), " ", word(tone, state))
        return Markup(
            '<article class="card {}" id="judge-rule-{}"><h2>{}</h2>{}{}</article>'
        ).format(tone, rule.id, title, Markup("").join(parts), said)

    def _state(self, rule: "Rule", left: int) -> tuple[Tone, str]:
        if rule.id in self.withdrawn:
            return "quiet", "withdrawn"
        if rule.id in self.harmful:
            return "bad", "harmful"
        if left < 0:
            return "quiet", "expired"
        if left <= SOON_DAYS:
            return "open", "expires soon"
        return ("good", "nothing against it") if self.watch else ("quiet", "not watched yet")

    def _since(self, rule: "Rule") -> str:
        """Say what a rule saved since its release, or why that isn't known."""
        if self.watch is None:
            return "not known: not watched yet"
        saved = self.since.get(rule.id)
        if saved is None:
            return "not known: no alerts since the release"
        verb = "would have been " if self.shadow else ""
        return (
            f"{count(saved.pages_saved)} {verb}saved, {count(saved.alerts)} alerts held, "
            f"from {when(self.since_start)}"
        )

    def _incidents(self, rule: "Rule") -> str:
        """Incidents whose alerts it held: at the judging, and of late."""
        judged: list[IncidentOutcome] = self.replay.incidents if self.replay else []
        names = set(of_rule(rule, "").names)
        mine = [incident for incident in judged if names & set(incident.names)]
        at_release = (
            f"{len(mine)} at the judging, {sum(incident.missed for incident in mine)} missed"
        )
        if self.watch is None:
            return f"{at_release}; since the release: not watched yet"
        harmful = self.harmful.get(rule.id)
        hidden = len(harmful.missed) + len(harmful.late) if harmful else 0
        return f"{at_release}; since the release: {hidden} hidden or late"


def _title(rule: "Rule") -> str:
    names = of_rule(rule, "").names
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _days(left: int) -> str:
    if left < 0:
        return f"{-left} days ago"
    return "today" if left == 0 else f"in {left} days"
