"""What people say about incidents, findings and rules: the form, and the address that takes it.

Whoever may edit the DAG that made the thing may judge it: `incidents` for incidents and findings,
`alert_noise_reduction` for rules. A browser sends Airflow's cookie from any site's form, so a post
counts only from a page of ours: the browser says so (``Sec-Fetch-Site``, or ``Origin``), and the
form carries a token that is made for this person and runs out.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, urlsplit

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from pipelines.core.project import dag_id
from signalbox_airflow.pages.access import Project, project_of
from signalbox_airflow.pages.subjects import Subject, dag_of, find_subject, lake_of
from signalbox_airflow.report_page import PREFIX

if TYPE_CHECKING:
    from pipelines.aiops.lake.feedback import Answer

router = APIRouter()
ADDRESS = f"{PREFIX}/feedback"
VALID_SECONDS = 12 * 3600
_MOST_BYTES = 8192
_WORDS = {
    "right": "right",
    "wrong_cause": "wrong cause",
    "noise": "noise",
    "harmful": "held what should have paged",
}
_ASKED = {
    "right": {
        "incident": "Right: it was one",
        "finding": "Right: something was wrong",
        "rule": "Right: it holds noise",
    },
    "wrong_cause": {"incident": "Right, but the cause was another"},
    "noise": {"incident": "Noise: nothing was wrong", "finding": "Noise: nothing was wrong"},
    "harmful": {"rule": "Harmful: it held what should have paged"},
}


def edits_of(user: GetUserDep, request: Request) -> Callable[[str], bool]:
    """Return a function that says whether the reader may edit a DAG of the project, by its name."""
    project = project_of(request)

    def edits(dag: str) -> bool:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
        from airflow.models.dag import DagModel

        full = dag_id(project, dag)
        details = DagDetails(id=full, team_name=DagModel.get_team_name(full))
        return bool(get_auth_manager().is_authorized_dag(method="PUT", details=details, user=user))

    return edits


Edits = Annotated[Callable[[str], bool], Depends(edits_of)]


class Judge:
    """Who looks at a page, and draws what he may say there.

    Attributes
    ----------
    name : str
        With which he is logged in.
    """

    def __init__(self, user: GetUserDep, edits: Edits, request: Request) -> None:
        self.name = str(user.get_name())
        self._id, self._edits = str(user.get_id()), edits
        self._answers: list[Answer] | None = None
        self._project = project_of(request)

    def may(self, about: str) -> bool:
        """Whether he may judge things of a kind."""
        return self._edits(dag_of(about))

    def answers(self, about: str, subject: str) -> "list[Answer]":
        """Return what people say of something, each his last answer."""
        from pipelines.aiops.lake.feedback import last_answers, read_answers

        if self._answers is None:
            self._answers = last_answers(read_answers(lake_of(self._project))[0])
        return [a for a in self._answers if (a.about, a.subject) == (about, subject)]

    def section(self, subject: Subject) -> Markup:
        """Draw what was said of something, and the form for those who may say more."""
        found = said(self.answers(subject.about, subject.id))
        if not self.may(subject.about):
            who = Markup(
                '<p class="quiet">Whoever may edit the DAG {} can judge this here.</p>'
            ).format(dag_of(subject.about))
            return found + who
        return found + form(subject, token(self._id))


def said(answers: "Sequence[Answer]") -> Markup:
    """List answers, the latest first; everything in them is escaped."""
    if not answers:
        return Markup('<p class="quiet">Nobody has judged this yet.</p>')
    line = Markup('<li><strong>{}</strong>{}{} <span class="when">{} · {}</span></li>')
    return Markup('<ul class="said">{}</ul>').format(
        Markup("").join(
            line.format(
                _WORDS[answer.verdict],
                Markup(": it was {}").format(answer.cause) if answer.cause else "",
                Markup(" “{}”").format(answer.note) if answer.note else "",
                answer.by,
                f"{answer.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            )
            for answer in reversed(answers)
        )
    )


def form(subject: Subject, own_token: str) -> Markup:
    """Draw the form for something; it works without a script."""
    from pipelines.aiops.lake.feedback import VERDICTS

    about, key = subject.about, f"{subject.about}-{subject.id}"
    choices = Markup("").join(
        Markup(
            '<label class="choice"><input type="radio" name="verdict" value="{}" required> {}'
            "</label>"
        ).format(verdict, _ASKED[verdict][about])
        for verdict in VERDICTS[about]
    )
    cause = Markup("")
    if "wrong_cause" in VERDICTS[about]:
        options = Markup("").join(
            Markup('<option value="{}"></option>').format(each) for each in subject.suspects
        )
        cause = Markup(
            '<div><label for="cause-{0}">Which service was it? (if the cause was another)</label>'
            '<input type="text" id="cause-{0}" name="cause" maxlength="200" list="of-{0}">'
            '<datalist id="of-{0}">{1}</datalist></div>'
        ).format(key, options)
    hidden = Markup("").join(
        Markup('<input type="hidden" name="{}" value="{}">').format(name, value)
        for name, value in (
            ("about", about), ("subject", subject.id), ("window", subject.window),
            ("token", own_token),
        )
    )  # fmt: skip
    return Markup(
        '<form class="judge" method="post" action="{action}">{hidden}'
        "<fieldset><legend>What do you say?</legend>{choices}</fieldset>{cause}"
        '<div><label for="note-{key}">In a sentence, if you like</label>'
        '<input type="text" id="note-{key}" name="note" maxlength="500"></div>'
        "<button>Say it</button></form>"
    ).format(action=ADDRESS, hidden=hidden, choices=choices, cause=cause, key=key)


def token(user_id: str, now: datetime | None = None) -> str:
    """Make a token that lets a person post for `VALID_SECONDS`.

    Parameters
    ----------
    user_id : str
        Id of the person in Airflow.
    now : datetime, optional
        With a time zone; None = now.

    Returns
    -------
    str
        When it runs out (seconds since 1970), and a keyed hash of that and the person.
    """
    until = int((now or datetime.now(UTC)).timestamp()) + VALID_SECONDS
    return f"{until}.{_seal(user_id, until)}"


def _seal(user_id: str, until: int) -> str:
    from airflow.configuration import conf

    # All API servers of a deployment share it; it never leaves them.
    key = conf.get_mandatory_value("api", "secret_key").encode()
    said_of = f"signalbox feedback\0{user_id}\0{until}".encode()
    return hmac.new(key, said_of, hashlib.sha256).hexdigest()


def require_token(given: str, user_id: str, now: datetime | None = None) -> None:
    """Stop a post without a token of this person.

    Raises
    ------
    HTTPException
        403.
    """
    until, _, seal = given.partition(".")
    own = until.isascii() and until.isdecimal() and len(until) < 16
    if not own or not hmac.compare_digest(_seal(user_id, int(until)).encode(), seal.encode()):
        raise HTTPException(403, "This form isn't yours: open the page again and say it there.")
    if int(until) < (now or datetime.now(UTC)).timestamp():
        raise HTTPException(403, "This form is too old: open the page again and say it there.")


def require_own_page(request: Request) -> None:
    """Stop a post that another site's page sends.

    Raises
    ------
    HTTPException
        403, also where the browser doesn't say which page sends it.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = urlsplit(request.headers.get("origin", ""))
        own = bool(origin.netloc) and origin.netloc == request.headers.get("host")
    else:
        own = site == "same-origin"
    if not own:
        raise HTTPException(403, "Only a page of Signalbox can send this.")


async def _fields(request: Request) -> dict[str, str]:
    """Read the form: small, of known keys, each once."""
    if request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Send the form of the page.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, "That is too long.")
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise HTTPException(400, "The form can't be read.") from None
    return {name: values[-1].strip() for name, values in found.items()}


@router.post("/feedback")
async def take(
    request: Request, user: GetUserDep, project: Project, edits: Edits
) -> RedirectResponse:
    """Take what somebody says, and lead back to the page."""
    require_own_page(request)
    fields = await _fields(request)
    require_token(fields.get("token", ""), str(user.get_id()))
    about = fields.get("about", "")
    if about not in {"incident", "finding", "rule"}:
        raise HTTPException(400, "Nobody can judge that.")
    if not await run_in_threadpool(edits, dag_of(about)):
        raise HTTPException(
            403, f"To judge this you need the right to edit the DAG {dag_of(about)}."
        )
    where = await run_in_threadpool(_keep, project, str(user.get_name()), fields)
    return RedirectResponse(where, status_code=303)


def _keep(project: Path, by: str, fields: dict[str, str]) -> str:
    from pydantic import ValidationError

    from pipelines.aiops.lake.feedback import Answer, add
    from pipelines.core.errors import SignalboxError

    about, subject_id = fields["about"], fields.get("subject", "")
    try:
        subject = find_subject(project, about, subject_id, fields.get("window", ""))
    except SignalboxError as error:
        raise HTTPException(404, str(error)) from None
    if subject is None:
        raise HTTPException(404, f"There is no such {about}: it may be of another release.")
    verdict = fields.get("verdict", "")
    try:
        answer = Answer(
            at=datetime.now(UTC),
            by=by,
            about=about,  # type: ignore[arg-type]
            subject=subject.id,
            verdict=verdict,  # type: ignore[arg-type]
            # Whoever fills in a cause and then says something else means what he says.
            cause=fields.get("cause", "") if verdict == "wrong_cause" else "",
            note=fields.get("note", ""),
            title=subject.title[:200],
            window=subject.window,
            detectors=subject.detectors,
            names=subject.names,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise HTTPException(400, f"{place or about}: {first['msg']}") from None
    add(lake_of(project), answer)
    return f"{subject.address}#judge-{about}-{subject.id}"
