"""Noise reduction on real intrusion-detection alerts: the AIT Alert Data Set.

``python -m benchmarks.ait_alerts --data PATH [--out DIR]`` prints readable lines, then one line of
JSON. PATH is a folder with the scenarios (``*.csv.gz``: time, name, ip, host, short, time_label,
event_label), or one that has them in ``ait_alerts/``. The collection is public: AIT Alert Data Set,
repository ait-aecid/alert-data-set (Landauer, Skopik and Wurzenberger 2024).

For each scenario rules are learned on the part before the first attack step (nobody acted on
anything there) and the rest is replayed through the Alertmanager model with these rules. The labels
say where the first attack step begins, and judge; nothing else is learned or chosen by them, and
all scenarios have the same settings (`SETTINGS`).

Yardstick: one page per (name, host) and day. A step counts as paged if a page that is the first to
tell of one of its event-labelled alerts is sent while the step goes on.

With ``--out`` it writes for each scenario ``<name>.csv`` (a line a row of the file: ``row``,
``judged``, ``paged`` = a page is sent for this alert, ``page``, ``page_time``, ``group``,
``folded_into`` = the page that had told of it before, ``rule``, ``status``), ``<name>_pages.csv``
and ``<name>_rules.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.ait_data import Scenario, frame_of, scenarios, steps, yardstick
from pipelines.aiops.alerting.config import Config, Integration, Receiver, Route
from pipelines.aiops.alerting.mining.demotion import mine_demotion
from pipelines.aiops.alerting.mining.grouping import notify_at_once
from pipelines.aiops.alerting.mining.history import history_of
from pipelines.aiops.alerting.replay import Replay, replay
from pipelines.aiops.alerting.rules import RULES, Rule
from pipelines.aiops.params.alert_rules import DemotionMining, MineRulesParams
from pipelines.core.time import SECOND_US


@dataclass(frozen=True)
class Settings:
    """What is set, for all scenarios alike. Everything that lasts, lasts a day, as the yardstick's.

    Attributes
    ----------
    hold
        Seconds that a detection goes on: repeated within it, it is the same alert.
    group_interval
        Seconds that something new waits while others are being told.
    max_silence_hours
        What was absent for so long isn't routine. It takes the place of many separate days, which
        two or three days of history don't have.
    rare_window
        Seconds within which what is known, but not routine, pages once.
    """

    hold: int = 86_400
    group_interval: int = 1
    repeat_interval: int = 7 * 86_400
    max_silence_hours: int = 24
    rare_window: int = 86_400
    guard_window: int = 3600
    guard_alpha: float = 0.05


SETTINGS = Settings()

CONFIG = Config(
    # A detection has no end that anybody would have to be told.
    receivers=(Receiver("pager", (Integration("webhook", send_resolved=False),)),),
    route=Route(receiver="pager", group_by=("alertname", "host")),
)


def params_of(settings: Settings) -> MineRulesParams:
    return MineRulesParams(
        min_days=2,
        min_episodes=1,
        max_rules=10_000,
        demotion=DemotionMining(
            # All that came before the first step is known to be harmless: it isn't a sample.
            max_acted_share=0.999,
            max_silence_hours=settings.max_silence_hours,
            guard_window_seconds=settings.guard_window,
            guard_alpha=settings.guard_alpha,
            lasting_factor=0,
            rare_window_seconds=settings.rare_window,
        ),
    )


@dataclass(frozen=True)
class Answer:
    """What was learned from a scenario, and what became of its alerts.

    Attributes
    ----------
    judged
        Positions of the judged rows in the file, in the order of `replayed.alerts`.
    seconds
        Seconds that learning and replay took.
    """

    scenario: Scenario
    rules: list[Rule]
    replayed: Replay
    judged: np.ndarray[Any, Any]
    seconds: tuple[float, float]

    @property
    def pages(self) -> pd.DataFrame:
        """Notifications that wake somebody, in order of time."""
        sent = self.replayed.notifications
        return sent[sent["page"].to_numpy(bool)].reset_index(drop=True)

    def page_time(self) -> np.ndarray[Any, Any]:
        """Second of the first page that tells of each row of the file, -1 without one."""
        result = np.full(len(self.scenario.rows), -1, np.int64)
        at = self.replayed.alerts["first_page"].to_numpy(np.int64)
        result[self.judged] = np.where(at >= 0, at // SECOND_US, -1)
        return result


def answer(scenario: Scenario, settings: Settings) -> Answer:
    begun = time.perf_counter()
    frame = frame_of(scenario, settings.hold)
    history = history_of(frame, params_of(settings), scenario.learning)
    rules: list[Rule] = [
        *mine_demotion(history).rules,  # type: ignore[list-item]
        notify_at_once(
            history,
            group_interval=settings.group_interval,
            repeat_interval=settings.repeat_interval,
        ),
    ]
    learned = time.perf_counter()
    judged = np.flatnonzero(~scenario.learned.to_numpy())
    until = int(scenario.rows["time"].max()) * SECOND_US
    replayed = replay(frame.where(judged), CONFIG, rules=rules, until=until)
    taken = (learned - begun, time.perf_counter() - learned)
    return Answer(scenario, rules, replayed, judged, taken)


def score(one: Answer) -> dict[str, Any]:
    yard, pages = int(yardstick(one.scenario).sum()), len(one.pages)
    judged = steps(one.scenario, one.page_time())
    missed = [name for name, step in judged.items() if not step["paged"]]
    return {
        "scenario": one.scenario.name,
        "alerts_judged": len(one.judged),
        "yardstick_pages": yard,
        "pages": pages,
        "ratio": round(pages / yard, 4),
        "steps": len(judged),
        "steps_paged": len(judged) - len(missed),
        "missed": missed,
        "rules": len(one.rules),
        "learn_s": round(one.seconds[0], 2),
        "replay_s": round(one.seconds[1], 2),
    }


def per_alert(one: Answer) -> pd.DataFrame:
    """Say for each row of the file what became of it."""
    rows, at = one.scenario.rows, one.page_time()
    sent = one.pages["time"].to_numpy(np.int64) // SECOND_US
    page = np.where(at >= 0, np.searchsorted(sent, np.maximum(at, 0)), -1)
    paged = (at >= 0) & (at >= rows["time"].to_numpy())
    table = pd.DataFrame({"row": np.arange(len(rows)), "time": rows["time"]})
    table["judged"] = ~one.scenario.learned
    table["paged"] = paged
    table["page"] = np.where(paged, page, -1)
    table["page_time"] = np.where(paged, at, -1)
    table["folded_into"] = np.where(paged, -1, page)
    for column, empty in (("group", -1), ("rule", ""), ("status", "not_judged")):
        values = np.full(len(rows), empty, dtype=object)
        values[one.judged] = one.replayed.alerts[column].to_numpy()
        table[column] = values
    return table


def write(one: Answer, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    name = one.scenario.name
    per_alert(one).to_csv(out / f"{name}.csv", index=False)
    pages = one.pages.assign(time=one.pages["time"] // SECOND_US)
    pages.rename_axis("page").to_csv(out / f"{name}_pages.csv")
    (out / f"{name}_rules.json").write_bytes(RULES.dump_json(tuple(one.rules), indent=1))


def summary(scores: list[dict[str, Any]]) -> dict[str, Any]:
    ratios = [one["ratio"] for one in scores]
    return {
        "benchmark": "ait_alerts",
        "scenarios": scores,
        "mean_ratio": round(float(np.mean(ratios)), 4),
        "worst_ratio": max(ratios),
        "steps": sum(one["steps"] for one in scores),
        "steps_paged": sum(one["steps_paged"] for one in scores),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the collection")
    parser.add_argument("--out", type=Path, help="folder for what became of each alert")
    options = parser.parse_args()
    if options.data is None:
        print("ait_alerts: skipped, --data PATH names the AIT Alert Data Set")
        print(json.dumps({"benchmark": "ait_alerts", "skipped": "no --data"}))
        return
    scores = []
    for scenario in scenarios(options.data):
        one = answer(scenario, SETTINGS)
        scores.append(score(one))
        last = scores[-1]
        print(
            f"{last['scenario']:>16}: {last['pages']} pages of {last['yardstick_pages']} "
            f"({last['ratio']:.3f}), {last['steps_paged']} of {last['steps']} steps paged "
            f"{last['missed'] or ''}",
            flush=True,
        )
        if options.out:
            write(one, options.out)
    print(json.dumps(summary(scores)))


if __name__ == "__main__":
    main()
