"""Proof that an output's names changed and nothing else.

``python -m tests.recordings.translate OLD NEW`` takes two checkouts of the project with their outs
in place (``dvc checkout``): one of the last commit with the old names, one of today. Outputs of OLD
are translated by the tables below, ids of rules are derived again from what the rules do, and then
everything must be equal: names, order, and numbers to the last digit. Of prose (sentences, labels,
methods) only the numbers must be, for its words changed on purpose; hashes of files are left out.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.rules import OLD_FAMILIES as FAMILIES
from pipelines.aiops.alerting.rules import RULES, with_id, with_new_names
from pipelines.core.evidence import RENAMED_FIGURES as FIGURES

Names = Mapping[str, str]
WINDOWS = {"learn": "train", "choose": "validation", "judge": "test"}
CHECKS = {"no_incident_lost": "no_incident_missed"}
STATUSES = {"quiet": "demoted"}
REPLAY = {"lost": "missed", "today": "baseline", "with_rules": "candidate"}
FIRST_PAGES = {"paged_today": "baseline_first_page", "paged_with_rules": "candidate_first_page"}
PAGED = {"paged_today": "baseline_paged", "paged_with_rules": "candidate_paged"}
HARMFUL = {"bad": "harmful_rules", "lost": "missed", "says": "sentence", "alone": "sole_cause",
           "do": "command"}  # fmt: skip
EXPORTED = {"where": "locations", "why_not": "reasons"}
FINDINGS = {
    "usual_distance": "baseline_distance", "usual_gap_seconds": "baseline_gap_seconds",
    "share_before": "baseline_share", "moved": "shifts", "usual_alerts": "background_alerts",
    "false_share": "fdr_limit", "false_share_new": "new_fdr_limit", "most_plots": "max_plots",
    "most_series": "max_series",
}  # fmt: skip
OUTCOMES = {
    f"{column}_{old}": f"{new}_{column}"
    for column in ("status", "first_page", "pages")
    for old, new in (("today", "baseline"), ("with_rules", "candidate"))
}
CURVES = {"lost": "missed", "today": "baseline", "with_rules": "candidate"}

PROSE = frozenset({
    "sentence", "measures", "label", "method", "missing", "reason", "protects", "reasons", "title",
    "command", "asks_for", "name", "annotate", "text",
})  # fmt: skip
"""Keys of texts for people."""
HASHES = frozenset({"sha256", "inputs", "artifacts", "params", "about"})
"""Keys that hold hashes of files, or settings, whose keys have a table of their own."""
_NUMBER = re.compile(r"\d[\d,.:]*")


@dataclass
class Proof:
    """What was compared, and what differs.

    Attributes
    ----------
    ids : dict of str to str
        Rule's old id → new one.
    values : int
        Values that were compared.
    """

    ids: dict[str, str] = field(default_factory=dict)
    values: int = 0
    differences: list[str] = field(default_factory=list)

    def text(self, old: str) -> str:
        """Give a text the rules' new ids."""
        pattern = r"\b(?:" + "|".join((*FAMILIES, "known_fix")) + r")-[0-9a-f]{12}\b"
        return re.sub(pattern, lambda found: self.ids.get(found[0], found[0]), old)

    def compare(self, where: str, old: Any, new: Any, key: str = "") -> None:
        """Compare two values; what differs is noted with its place."""
        if isinstance(old, dict) and isinstance(new, dict):
            if set(old) - HASHES != set(new) - HASHES:
                self.note(where, sorted(set(old) - set(new)), sorted(set(new) - set(old)))
            for name in sorted(set(old) & set(new) - HASHES):
                self.compare(f"{where}.{name}", old[name], new[name], name)
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for index, (one, other) in enumerate(zip(old, new, strict=True)):
                self.compare(f"{where}[{index}]", one, other, key)
        else:
            self.values += 1
            prose = key in PROSE and isinstance(old, str) and isinstance(new, str)
            if old != new and not (prose and _numbers(old) == _numbers(new)):
                self.note(where, old, new)

    def lines(self, where: str, old: str, new: str) -> None:
        """Compare two texts by line: equal, or with the same numbers in other words."""
        olds, news = self.text(old).splitlines(), new.splitlines()
        if len(olds) != len(news):
            self.note(where, f"{len(olds)} lines", f"{len(news)} lines")
        for number, (one, other) in enumerate(zip(olds, news, strict=False), 1):
            self.values += 1
            if one != other and _numbers(one) != _numbers(other):
                self.note(f"{where}:{number}", one, other)

    def note(self, where: str, old: Any, new: Any) -> None:
        """Record a difference."""
        self.differences.append(f"{where}: {str(old)[:200]!r} became {str(new)[:200]!r}")


def _numbers(text: str) -> list[str]:
    return [found.rstrip(".,:") for found in _NUMBER.findall(text)]


def renamed(value: Any, names: Names) -> Any:
    """Rename keys at every depth."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(item, names) for key, item in value.items()}
    return [renamed(item, names) for item in value] if isinstance(value, list) else value


def with_ids(value: Any, text: Callable[[str], str]) -> Any:
    """Give texts at every depth, keys too, the new ids."""
    if isinstance(value, dict):
        return {text(key): with_ids(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [with_ids(item, text) for item in value]
    return text(value) if isinstance(value, str) else value


def families(value: Any) -> Any:
    """Give every ``family`` its name today."""
    if isinstance(value, dict):
        found = {key: families(item) for key, item in value.items()}
        if isinstance(found.get("family"), str):
            found["family"] = FAMILIES.get(found["family"], found["family"])
        return found
    return [families(item) for item in value] if isinstance(value, list) else value


def rules_of(content: dict[str, Any]) -> dict[str, Any]:
    """Translate a file of rules; ids are derived from what the rules do."""
    rules = RULES.validate_python(tuple(map(with_new_names, content["rules"])))
    told = RULES.dump_python(tuple(map(with_id, rules)), mode="json")
    tried = {FAMILIES.get(key, key): n for key, n in content.get("tried", {}).items()}
    return {**content, "rules": told, **({"tried": tried} if tried else {})}


def evidence(content: dict[str, Any], details: Names) -> dict[str, Any]:
    """Translate evidence: ids of figures, keys of details."""
    figures = [{**figure, "id": FIGURES.get(figure["id"], figure["id"])}
               for figure in content["figures"]]  # fmt: skip
    for figure in figures:
        figure["where"] = {k: WINDOWS.get(v, v) for k, v in figure["where"].items()}
    found = families(renamed(content["details"], details))
    return {**content, "figures": figures, "details": found}


def _mined(content: dict[str, Any]) -> dict[str, Any]:
    return evidence(content, {**WINDOWS, **FAMILIES})


REASONS = (("would be lost", "would be missed"), ("would be heard", "would be notified"),
           ("it was judged on", "it was evaluated on"))  # fmt: skip


def _selected(content: dict[str, Any]) -> dict[str, Any]:
    found = evidence(content, {"lost": "missed", "why": "reason"})
    for dropped in found["details"]["dropped"]:
        for old, new in REASONS:
            dropped["reason"] = dropped["reason"].replace(old, new)
    return found


def _replayed(content: dict[str, Any]) -> dict[str, Any]:
    found = evidence(content, REPLAY)
    details = found["details"]
    details["incidents"] = renamed(details["incidents"], FIRST_PAGES)
    for table in ("teams", "noisiest"):
        details[table] = renamed(details[table], PAGED)
    for done in details["rules"]:
        done["rule"] = rules_of({"rules": [_with_old_family(done["rule"])]})["rules"][0]
    return found


def _with_old_family(rule: dict[str, Any]) -> dict[str, Any]:
    """`families` has renamed it already, but `with_new_names` knows old rules by their family."""
    old = {new: old for old, new in FAMILIES.items()}
    return {**rule, "family": old.get(rule["family"], rule["family"])}


def _gated(content: dict[str, Any]) -> dict[str, Any]:
    found = evidence(content, {})
    for one in (*found["details"]["checks"], *found["details"]["policy"]):
        one["id"] = CHECKS.get(one["id"], one["id"])
        figure = one["figure"]
        name = figure["id"] if isinstance(figure, dict) else figure
        new = FIGURES.get(name, name)
        one["figure"] = {**figure, "id": new} if isinstance(figure, dict) else new
    found["details"]["because"] = [CHECKS.get(i, i) for i in found["details"]["because"]]
    return found


def _metrics(stage: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def translate(content: dict[str, Any]) -> dict[str, Any]:
        ids = {key: FIGURES.get(f"{stage}.{key}", f"{stage}.{key}") for key in content}
        found = {ids[key].partition(".")[2]: value for key, value in content.items()}
        if "checks" in found:
            found["checks"] = {CHECKS.get(k, k): v for k, v in found["checks"].items()}
        return found

    return translate


def _plain(names: Names) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: families(renamed(content, names))


def _evidence(names: Names) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: evidence(content, names)


RULE_STAGES = ("alert_history", "mine_rules", "select_rules", "replay_rules", "watch_rules",
               "export_rules", "gate_rules")  # fmt: skip
OTHERS = ("metric_anomalies", "log_anomalies", "map_services", "group_incidents")

JSONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "rules/candidates.json": rules_of,
    "rules/rule_set.json": rules_of,
    "evidence/mine_rules.json": _mined,
    "evidence/select_rules.json": _selected,
    "evidence/replay_rules.json": _replayed,
    "evidence/watch_rules.json": _evidence(HARMFUL),
    "evidence/export_rules.json": _evidence(EXPORTED),
    "evidence/gate_rules.json": _gated,
    "evidence/alert_history.json": _evidence({}),
    **{f"evidence/{stage}.json": _evidence(FINDINGS) for stage in OTHERS},
    **{f"metrics/{stage}.json": _metrics(stage) for stage in (*RULE_STAGES, *OTHERS)},
    "rules/export/summary.json": _plain(EXPORTED),
    "rules/export/pagerduty.json": _plain({}),
    "anomalies/metric_anomalies.json": _plain(FINDINGS),
    "anomalies/log_anomalies.json": _plain(FINDINGS),
    "service_map/service_map.json": _plain({}),
    "service_map/moved.json": _plain({}),
    "incidents/incidents.json": _plain(FINDINGS),
}
"""Every JSON that changed stages write, and how its old form becomes today's."""

TEXTS = ("rules/export/alertmanager.yml", "rules/export/prometheus_rules.yml",
         "rules/export/prometheus/prometheus_rules.yml", "rules/export/changes.diff")  # fmt: skip
CSVS = ("plots/rules_pages_per_day.csv", "plots/rules_trade_off.csv")


def dropped_of(dropped: list[dict[str, str]], known: frozenset[str]) -> dict[str, Any]:
    """Give dropped candidates by id.

    Of those that were mined again, for the choice alone, no output holds the rule, so their ids
    can't be derived again: they are counted by family and reason.
    """
    again = [f"{one['family']}: {one['reason']}" for one in dropped if one["rule"] not in known]
    return {
        "known": {one["rule"]: one for one in dropped if one["rule"] in known},
        "mined_again": {text: again.count(text) for text in sorted(set(again))},
    }


def sorted_ids(value: Any, known: frozenset[str]) -> Any:
    """Put lists that are in order of ids into one order; `known` are the new ids of rules."""
    if isinstance(value, dict):
        found = {key: sorted_ids(item, known) for key, item in value.items()}
        if isinstance(found.get("dropped"), list):
            found["dropped"] = dropped_of(found["dropped"], known)
        rules = found.get("rules")
        if isinstance(rules, list) and all(isinstance(rule, str) for rule in rules):
            found["rules"] = sorted(rules)
        return found
    return [sorted_ids(item, known) for item in value] if isinstance(value, list) else value


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def new_ids(old: Path) -> Iterator[tuple[str, str]]:
    """Give every old rule id of a checkout with the one of today."""
    for name in ("rules/candidates.json", "rules/rule_set.json"):
        content = _read(old / name)
        for rule, again in zip(content["rules"], rules_of(content)["rules"], strict=True):
            yield rule["id"], again["id"]


def outcomes(proof: Proof, old: Path, new: Path) -> None:
    """Compare the table with an alert a row."""
    import pyarrow.parquet as pq

    name = "rules/outcomes.parquet"
    before, after = pq.read_table(old / name), pq.read_table(new / name)
    before = before.rename_columns([OUTCOMES.get(column, column) for column in before.column_names])
    if before.column_names != after.column_names:
        proof.note(name, before.column_names, after.column_names)
        return
    for column in after.column_names:
        values = before[column].to_pylist()
        if column.endswith("_status"):
            values = [STATUSES.get(value, value) for value in values]
        if column == "rule":
            values = [proof.ids.get(value, value) for value in values]
        proof.compare(f"{name}:{column}", values, after[column].to_pylist())


def prove(old: Path, new: Path) -> Proof:
    """Compare all outputs of two checkouts.

    Parameters
    ----------
    old, new : Path
        Roots; `old` has the old names.

    Returns
    -------
    Proof
        Without differences if names alone changed.
    """
    proof = Proof(dict(new_ids(old)))
    for name, translate in JSONS.items():
        told = with_ids(translate(_read(old / name)), proof.text)
        known = frozenset(proof.ids.values())
        proof.compare(name, sorted_ids(told, known), sorted_ids(_read(new / name), known))
    for name in TEXTS:
        proof.lines(name, (old / name).read_text("utf-8"), (new / name).read_text("utf-8"))
    for name in CSVS:
        head, _, rest = (old / name).read_text("utf-8").partition("\n")
        columns = ",".join(CURVES.get(column, column) for column in head.split(","))
        proof.compare(name, f"{columns}\n{rest}", (new / name).read_text("utf-8"))
    outcomes(proof, old, new)
    return proof


def main() -> None:
    """Run as a command."""
    proof = prove(Path(sys.argv[1]), Path(sys.argv[2]))
    for difference in proof.differences:
        print(difference)
    print(f"{len(proof.ids)} ids derived again, {proof.values:,} values compared, "
          f"{len(proof.differences)} differences")  # fmt: skip
    sys.exit(bool(proof.differences))


if __name__ == "__main__":
    main()
