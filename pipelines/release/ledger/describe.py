"""What an entry of the ledger says, as a sentence for people.

One function a kind. An entry that another version wrote, with fields that aren't known here, is
shown by its fields instead (`fields`): nothing of it is hidden.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pipelines.release.ledger.entry import Entry


def describe(entry: Entry, report: str = "") -> str:
    """Put an entry into a sentence.

    Parameters
    ----------
    entry : Entry
        Of any kind.
    report : str, default ''
        Path of the product's report, for the gate's decisions.

    Returns
    -------
    str
        One line; it begins with what happened, for example ``rejected by the gate: …``.
    """
    data = entry.data
    try:
        if entry.kind == "gate":
            return _gate(data, report)
        sentence = _SENTENCES[entry.kind](data) if entry.kind in _SENTENCES else ""
    except (KeyError, TypeError, AttributeError, IndexError):
        sentence = ""
    return " ".join((sentence or f"{entry.kind}: {fields(data)}").split())


def fields(data: Mapping[str, Any]) -> str:
    """Put an entry's fields on one line: ``decision=review · commit=1a2b3c4d5e6f…``."""
    return " · ".join(f"{key}={_value(value)}" for key, value in data.items())


def _value(value: object) -> str:
    """One value; of a table only how many rows it has."""
    items = value if isinstance(value, list) else [value]
    if isinstance(value, (dict, list)) and any(isinstance(i, (dict, list)) for i in items):
        return f"({len(value)})"
    return short(" ".join(", ".join(str(item) for item in items).split()))


def short(text: str) -> str:
    """Shorten a hash, which nobody reads to its end; ``hmac-sha256:`` stays before a keyed one."""
    kind, colon, digits = text.rpartition(":")
    if len(digits) in (40, 64) and set(digits) <= set("0123456789abcdef"):
        return f"{kind}{colon}{digits[:12]}…"
    return text


def _gate(data: dict[str, Any], report: str) -> str:
    verdict = data["verdict"]
    words = {
        "approve": "approved by the gate",
        "review": "left to people by the gate",
        "reject": "rejected by the gate",
    }[verdict]
    named = [
        f"{said} {', '.join(data[key])}"
        for key, said in (("failed", "failed"), ("inconclusive", "inconclusive"))
        if data[key]
    ]
    if verdict == "reject" and data["failed"]:
        named[0] = ", ".join(data["failed"])
    where = f"{f'report {report}' if report else 'report'} of commit {data['commit'][:12]}"
    return f"{words}: {'; '.join([*named, where])}"


def _outcome(data: dict[str, Any]) -> str:
    found = data["outcome"]
    who = ", ".join(
        answer["who"]
        + (" (on the command line, without login)" if answer["channel"] == "command_line" else "")
        for answer in found["answers"]
    )
    words = {
        "approved": f"approved by {who}" if who else "approved",
        "auto_approved": "approved by a policy",
        "overridden": f"released against the gate by {who}",
        "rejected": f"rejected by {who}" if who else "rejected, nobody was asked",
        "timed_out": "not approved: nobody answered in time",
        "stopped": "stopped, nobody could be asked",
    }[found["kind"]]
    why = "; ".join(text.strip().removesuffix(".") for text in [found["policy"], *found["reasons"]])
    gate = {"approve": "approval", "review": "review", "reject": "rejection"}[data["verdict"]]
    return f"{words}: {why}; the gate said {gate}, commit {data['commit'][:12]}"


def _refusal(data: dict[str, Any]) -> str:
    return f"not released: {data['reason']} (run {data['run']})"


_RELEASED, _BACK = "released", "rolled back to"
_STAGE = {_RELEASED: "to", _BACK: "in"}


AUTOMATIC = "auto-approve"
"""What names of policies that ask nobody begin with."""


def approved_by(approval: Mapping[str, Any]) -> str:
    """Say who approved a release: people, or a policy that asked nobody; empty without approval.

    Parameters
    ----------
    approval : mapping
        ``approval`` of a release's entry. A policy's answer is written in the name of a login.
    """
    policy = str(approval.get("policy") or "")
    if policy.startswith(AUTOMATIC):
        return f"the policy “{policy}”; nobody was asked"
    return ", ".join(map(str, approval.get("by") or ()))


def _step(data: dict[str, Any], made: str) -> str:
    step = data["step"]
    if step == "made":
        before = f" (before: {data['replaces']})" if data["replaces"] else ""
        by = [f"by {data['who']}"] * bool(data["who"])
        approvers = approved_by(data["approval"])
        by += [f"approved by {approvers}"] * bool(approvers and made == _RELEASED)
        by += [data["reason"]] * bool(data["reason"])
        by += [f"warned of: {text}" for text in data["warnings"]]
        what = f"{made} {data['version']} {_STAGE[made]} {data['stage']}{before}"
        by.append(f"commit {data['commit'][:12]}")
        return f"{what}: {'; '.join(by)}"
    of = f"entry {data['of']}"
    if step in ("completed", "restored"):
        return f"{step}: {', '.join(data['made'])} of {of}, made again"
    return f"{step}: {of}, because {data['why']}"


def _release(data: dict[str, Any]) -> str:
    return _step(data, _RELEASED)


def _rollback(data: dict[str, Any]) -> str:
    return _step(data, _BACK)


def _erasure(data: dict[str, Any]) -> str:
    stage = data["stage"]
    if stage == "cleared":
        return f"cleared: {_number(len(data['sources']), 'source file')} without anybody erased"
    who = short(data["subject"])
    if stage == "intent":
        found = ", ".join(f"{store} {count:,}" for store, count in data["found_in"].items())
        return f"erasure begun of {who}: found in {found or 'no store'}"
    rows = sum(removal["rows"] for removal in data["removed"])
    what = f"{_number(len(data['removed']), 'object')}, {_number(rows, 'row')}"
    if stage == "done":
        return f"erased {who}: {what}"
    return f"erasure incomplete of {who}: {what}; remains in {'; '.join(data['remaining'])}"


def _access(data: dict[str, Any]) -> str:
    words = {"show": "looked at", "export": "exported"}[data["action"]]
    rows = _number(data["rows"], "row")
    return f"{words}: data of {short(data['subject'])}, {rows} in {data['copies']:,} copies"


def _telemetry_erasure(data: dict[str, Any]) -> str:
    who = f"{data['selector']} {short(data['subject'])}"
    if data["stage"] == "begun":
        return f"erasure begun in telemetry of {who}"
    counts = ", ".join(f"{store} {count:,}" for store, count in data["rows"].items())
    if data["stage"] == "done":
        return f"erased from telemetry {who}: {counts or 'no row'}"
    left = _number(data["remaining"], "place")
    return f"erasure incomplete in telemetry of {who}: {counts or 'no row'}; remains in {left}"


def _retention(data: dict[str, Any]) -> str:
    gone = ", ".join(f"{store} {count:,}" for store, count in data["removed"].items())
    limits = ", ".join(f"{store} {days} days" for store, days in data["limits_days"].items())
    return f"removed as older than its limit: {gone} (limits: {limits})"


def _alarm(data: dict[str, Any]) -> str:
    asks = "; asks for a new training" if data.get("retrain") else ""
    return f"alarm {data['id']} of {data['date']}: {data['sentence']} ({data['owner']}){asks}"


def _publication(data: dict[str, Any]) -> str:
    rules = _number(len(data["rules"]), "rule")
    if data.get("shadow"):
        words = f"in shadow: {data['release']}, {rules}, nothing was written"
    else:
        files = ", ".join(data["files"]) or "no file"
        words = f"published: {data['release']}, {rules} in {files}"
    more = [f"by {data['who']}"] if data.get("who") else []
    more += [data["reason"]] if data.get("reason") else []
    more += [
        f"left out as {key}: {', '.join(data[key])}" for key in ("expired", "withdrawn")
        if data[key]
    ]  # fmt: skip
    return "; ".join([words, *more])


def _withdrawal(data: dict[str, Any]) -> str:
    by = f" by {data['who']}" if data["who"] else ""
    return f"withdrawn{by}: rule {data['rule']} of {data['release']}; {data['reason']}"


def _remediation(data: dict[str, Any]) -> str:
    what = f"{data['action']} ({data['kind']} {data['target']}) for rule {data['rule']}"
    step = data["step"]
    if step == "dry_run":
        return f"would run: {what}"
    if step == "started":
        return f"started: {what}"
    took = f"after {data['seconds']:.0f} s" if data["seconds"] is not None else ""
    return f"ended: {what}: {data['outcome']} {took}".rstrip()


def _run(data: dict[str, Any]) -> str:
    if not data["commit"]:
        return f"not saved: run {data['run']}"
    return f"saved: run {data['run']} as commit {data['commit'][:12]}"


def _question(data: dict[str, Any]) -> str:
    who = ", ".join(data["approvers"])
    return f"asked for {data['asked']}: {who}, about run {data['run']}"


def _answer(data: dict[str, Any]) -> str:
    answer = data["answer"]
    said = "yes" if answer["approves"] else "no"
    why = f": {answer['reason']}" if answer["reason"] else ""
    return f"answered {said} by {answer['who']}{why} (run {data['run']})"


def _scoring(data: dict[str, Any]) -> str:
    rows = f"{_number(data['rows'], 'row')}, {data['selected']:,} selected"
    return f"scored {data['name']} with {data['model_version']}: {rows}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("s" if count != 1 else "")


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "run": _run,
    "question": _question,
    "answer": _answer,
    "approval": _outcome,
    "override": _outcome,
    "rejection": _outcome,
    "refusal": _refusal,
    "release": _release,
    "rollback": _rollback,
    "erasure": _erasure,
    "access": _access,
    "telemetry_erasure": _telemetry_erasure,
    "retention": _retention,
    "alarm": _alarm,
    "scoring": _scoring,
    "publication": _publication,
    "withdrawal": _withdrawal,
    "remediation": _remediation,
}
"""Kind → its sentence; a gate's needs the report's path, ``key`` and ``repair`` show fields."""
