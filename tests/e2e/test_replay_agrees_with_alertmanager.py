"""Forty generated scenarios, posted to a real Alertmanager and replayed: both must agree.

Durations are seconds instead of minutes. All scenarios run at the same time in one process, each
with alerts, routes and receivers of its own. Scenarios in which something happens so close to a
tick that the order is a matter of luck are drawn again before the start.
"""

import json
import random
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from pipelines.aiops.alerting.config import SECOND, Config, Process, Silence, parse_config
from pipelines.aiops.alerting.replay import Timing, replay
from pipelines.aiops.alerting.replay.model import timing_of
from pipelines.aiops.alerting.rules import Matcher
from pipelines.aiops.lake.frame import AlertFrame
from tests.support.alertmanager_server import Alertmanager, alertmanager, moment, webhook_receiver
from tests.unit.aiops.alerting.replay.reference import Reference

SCENARIOS, LASTS = 40, 44.0
RUNS = Process((0, 25), answer=4_000)
"""What Debian's package installs; it is answered on loopback."""
CLOSE = 40_000
"""Microseconds between two things that are too few to be sure of their order."""


@dataclass
class Scenario:
    """Alerts (series, start, end) in µs after the beginning, and how they are treated."""

    name: str
    route: dict
    inhibit: list
    labels: list
    alerts: list
    silences: list = field(default_factory=list)


def draw_route(name: str, chance: random.Random, depth: int = 0) -> dict:
    route = {
        "receiver": f"{name}-{chance.choice(['pager', 'pager', 'chat'])}",
        "group_by": chance.choice([["alertname"], ["scenario"], ["host", "severity"], ["..."]]),
        "group_wait": chance.choice(["500ms", "1s", "2s"]),
        "group_interval": chance.choice(["2s", "3s"]),
        "repeat_interval": chance.choice(["5100ms", "7300ms", "1h"]),
    }
    if depth:
        key = chance.choice(["alertname", "severity"])
        route["matchers"] = [chance.choice([f'{key}="a"', f"{key}!=a", f'{key}=~"a|x"'])]
        route["continue"] = chance.random() < 0.4
    if depth and chance.random() < 0.35:
        kind = chance.choice(["mute_time_intervals", "active_time_intervals"])
        route[kind] = [chance.choice(["even", "odd"])]
    if depth < 2:
        count = chance.choice([0, 1, 2])
        route["routes"] = [draw_route(name, chance, depth + 1) for _ in range(count)]
    return route


def draw_alerts(labels: list, chance: random.Random) -> list:
    found = []
    for series in range(len(labels)):
        at = chance.uniform(0, 20)
        for _ in range(chance.choice([1, 1, 2, 3])):
            length = chance.choice([0.3, 2, 6, 15, 60])
            found.append((series, int(at * SECOND), int((at + length) * SECOND)))
            at += length + chance.choice([0.4, 2, 9])
            if at > LASTS - 8:
                break
    return found


def draw(name: str, chance: random.Random) -> Scenario:
    values = {"alertname": "ab", "host": "uv", "severity": "ax"}
    labels = []
    while len(labels) < 5:
        one = {"scenario": name} | {k: chance.choice(v) for k, v in values.items()}
        if chance.random() < 0.3:
            del one["host"]
        if one not in labels:
            labels.append(one)
    route = {**draw_route(name, chance), "matchers": [f"scenario={name}"]}
    inhibit = []
    if chance.random() < 0.5:
        inhibit.append(
            {
                "source_matchers": [
                    f"scenario={name}",
                    chance.choice(["alertname=a", "severity=x"]),
                ],
                "target_matchers": [
                    f"scenario={name}",
                    chance.choice(["alertname=b", "severity=a"]),
                ],
                "equal": chance.choice([[], ["host"], ["severity"]]),
            }
        )
    silences = []
    if chance.random() < 0.4:
        start = int(chance.uniform(3, 20) * SECOND)
        end = start + int(chance.uniform(3, 20) * SECOND)
        silences.append((chance.choice(["alertname", "severity"]), "a", start, end))
    return Scenario(name, route, inhibit, labels, draw_alerts(labels, chance), silences)


def silences_of(scenario: Scenario, begin: int) -> list[Silence]:
    return [
        Silence(
            (
                Matcher(label="scenario", op="=", value=scenario.name),
                Matcher(label=label, op="=", value=value),
            ),
            begin + start,
            begin + end,
        )
        for label, value, start, end in scenario.silences
    ]


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def config_text(scenarios: list[Scenario], url) -> str:
    receivers = [{"name": "nobody"}]
    for each in scenarios:
        for kind, resolved in (("pager", True), ("chat", False)):
            name = f"{each.name}-{kind}"
            hook = {"url": url(name), "send_resolved": resolved}
            receivers.append({"name": name, "webhook_configs": [hook]})
    # Minutes around now, in a zone half an hour off: an even minute there is an even one here.
    now = int(time.time() // 60) + 330
    around = [minute % 1440 for minute in range(now - 3, now + 8)]
    odd, even = (
        [{"start_time": clock(m), "end_time": clock(m + 1)} for m in around if m % 2 == rest]
        for rest in (1, 0)
    )
    return json.dumps(
        {
            "route": {
                "receiver": "nobody",
                "routes": [each.route for each in scenarios],
            },
            "receivers": receivers,
            "inhibit_rules": [rule for each in scenarios for rule in each.inhibit],
            "time_intervals": [
                {"name": "odd", "time_intervals": [{"times": odd, "location": "Asia/Kolkata"}]},
                {"name": "even", "time_intervals": [{"times": even, "location": "Asia/Kolkata"}]},
            ],
        }
    )


class Ticking(Reference):
    """The event loop, noting when which groups tick and when one is left empty."""

    def flush(self, key, group, now):
        held = bool(group.store)
        self.ticks.append((now, key))
        super().flush(key, group, now)
        if held and not group.store:
            self.emptied.append(now)


def is_sure(scenario: Scenario, config: Config, begin: int, timing: Timing) -> bool:
    """Whether nothing in it happens too close to a tick or a sweep that it matters to."""
    rows = [(s, begin + a, begin + b) for s, a, b in scenario.alerts]
    until = begin + int(LASTS * SECOND)
    loop = Ticking(config, scenario.labels, rows, until, timing, silences_of(scenario, begin))
    loop.ticks, loop.emptied = [], []
    loop.run()
    minute = 60 * SECOND
    of_all = {begin // minute * minute + k * minute for k in range(3)}
    of_all |= {t for s in silences_of(scenario, begin) for t in (s.starts, s.ends)}
    of_all.add(until)
    sweep = timing.sweep
    first = (begin - timing.sweep_at) // sweep * sweep + timing.sweep_at
    near = [*loop.emptied, *(a for _, a, _ in rows)]
    if any(abs(t - first - k * sweep) < 8 * CLOSE for t in near for k in range(4)):
        return False
    if any(abs(t - tick) < 2 * CLOSE for t in of_all for tick, _ in loop.ticks):
        return False
    for series, start, end in rows:
        keys = None if scenario.inhibit else list(loop.keys_of(series))
        for tick, key in loop.ticks:
            if (keys is None or key in keys) and min(abs(tick - start), abs(tick - end)) < CLOSE:
                return False
    return True


def draw_all(chance: random.Random, begin: int, timing: Timing) -> list[Scenario]:
    found: list[Scenario] = []
    while len(found) < SCENARIOS:
        one = draw(f"s{len(found):02}", chance)
        config = parse_config(config_text([one], str), "scenario", RUNS)
        if is_sure(one, config, begin, timing):
            found.append(one)
    return found


def play(server: Alertmanager, scenarios: list[Scenario], begin: int) -> None:
    """Post everything when its time comes."""
    for each in scenarios:
        for silence in silences_of(each, begin):
            matchers = [
                {"name": m.label, "value": m.value, "isRegex": False, "isEqual": True}
                for m in silence.matchers
            ]
            body = {
                "matchers": matchers,
                "startsAt": moment(silence.starts),
                "endsAt": moment(silence.ends),
                "createdBy": "test",
                "comment": "test",
            }
            server.call("silences", body)
    events = []
    for each in scenarios:
        for series, start, end in each.alerts:
            labels = each.labels[series]
            far = begin + 3600 * SECOND
            post = {"labels": labels, "startsAt": moment(begin + start)}
            events.append((start, {**post, "endsAt": moment(far)}))
            events.append((end, {**post, "endsAt": moment(begin + end)}))
    for at, post in sorted(events, key=lambda event: event[0]):
        wait = (begin + at) / 1e6 - time.time()
        if at > LASTS * SECOND:
            break
        time.sleep(max(wait, 0))
        server.call("alerts", [post])


class Watcher(threading.Thread):
    """Asks again and again which alerts are inhibited and silenced."""

    def __init__(self, server: Alertmanager) -> None:
        super().__init__(daemon=True)
        self.server, self.done = server, threading.Event()
        self.polls: list = []

    def run(self) -> None:
        while not self.done.wait(0.7):
            before = time.time_ns() // 1000
            alerts = self.server.call("alerts")
            after = time.time_ns() // 1000
            state = {
                key_of(alert["labels"], alert["startsAt"]): (
                    bool(alert["status"]["inhibitedBy"]),
                    bool(alert["status"]["silencedBy"]),
                )
                for alert in alerts
            }
            self.polls.append((before, after, state))


def states(scenario: Scenario, config: Config, begin: int, polls: list) -> list:
    """(alert, real state, ours) wherever Alertmanager said whether it keeps an alert back."""
    rows = [(s, begin + a, begin + b) for s, a, b in scenario.alerts]
    quiet = silences_of(scenario, begin)
    loop = Reference(config, scenario.labels, rows, begin, silences=quiet)
    edges = {t for _, a, b in rows for t in (a, b)} | {t for q in quiet for t in (q.starts, q.ends)}
    found = []
    for before, after, state in polls:
        if any(before - 200_000 < edge < after + 200_000 for edge in edges):
            continue
        for series, start, end in rows:
            key = key_of(scenario.labels[series], moment(start))
            if start < before and after < end and key in state:
                ours = loop.inhibited(series, before), loop.silenced(series, before)
                found.append((key, state[key], ours))
    return found


def key_of(labels: dict, starts: str) -> tuple:
    at = datetime.fromisoformat(starts.replace("Z", "+00:00"))
    return (*sorted(labels.items()), round(at.timestamp() * 1000))


def replayed(scenario: Scenario, config: Config, begin: int, timing: Timing):
    table = np.array(scenario.alerts, dtype=np.int64)
    size = len(table)
    frame = AlertFrame(
        table[:, 0].astype(np.int32),
        begin + table[:, 1],
        begin + table[:, 2],
        np.full(size, -1, np.int8),
        np.full(size, -1, np.int32),
        scenario.labels,
        [],
    )
    until = begin + int(LASTS * SECOND)
    quiet = silences_of(scenario, begin)
    return replay(frame, config, until=until, silences=quiet, timing=timing)


@pytest.mark.e2e
def test_replay_agrees_with_a_real_alertmanager(tmp_path: Path) -> None:
    chance = random.Random(4)
    with webhook_receiver() as hook:
        # Drawn before the start, for a start in so many seconds: checked with its clocks after.
        loaded = int((time.time() + 14) * SECOND)
        timing = replace(timing_of(RUNS), sweep_at=loaded % (30 * SECOND))
        scenarios = draw_all(chance, loaded + 2 * SECOND, timing)
        assert time.time() < loaded / 1e6, "drawing took too long"
        text = config_text(scenarios, hook.url)
        config = parse_config(text, "scenarios", RUNS)
        # Whom a notification wakes isn't asked here: every one is compared, those of chats too.
        everybody = tuple(replace(each, pages=True) for each in config.receivers)
        config = replace(config, receivers=everybody)
        time.sleep(max(loaded / 1e6 - time.time() - 0.15, 0))
        with alertmanager(text, tmp_path) as server:
            timing = replace(timing_of(RUNS), sweep_at=server.loaded % (30 * SECOND))
            begin = loaded + 2 * SECOND
            watcher = Watcher(server)
            watcher.start()
            play(server, scenarios, begin)
            time.sleep(max((begin + LASTS * SECOND) / 1e6 - time.time(), 0))
            watcher.done.set()
            watcher.join()
        calls = [c for c in hook.calls if c[0] <= begin + LASTS * SECOND]
    differences, real, ours, looked, kept_back = [], 0, 0, 0, 0
    for scenario in scenarios:
        made = replayed(scenario, config, begin, timing)
        mine = [c for c in calls if c[1].startswith(scenario.name)]
        told = {
            key_of(a["labels"], a["startsAt"])
            for c in mine
            for a in c[2]["alerts"]
            if a["status"] == "firing"
        }
        keys = [
            key_of(scenario.labels[s], moment(begin + start)) for s, start, _ in scenario.alerts
        ]
        predicted = {k for k, pages in zip(keys, made.alerts["pages"], strict=True) if pages}
        if told != predicted:
            differences.append((scenario.name, "told", told ^ predicted))
        compared = states(scenario, config, begin, watcher.polls)
        looked += len(compared)
        kept_back += sum(any(theirs) for _, theirs, _ in compared)
        differences += [(scenario.name, "state", *each) for each in compared if each[1] != each[2]]
        count = len(made.notifications)
        if count != len(mine):
            theirs = sorted((round((c[0] - begin) / 1e6, 2), c[1]) for c in mine)
            table = made.notifications
            own = sorted(zip(((table.time - begin) / 1e6).round(2), table.receiver, strict=True))
            differences.append((scenario.name, "count", len(mine), count, theirs, own))
        real, ours = real + len(mine), ours + count
    print(json.dumps({"scenarios": len(scenarios), "real": real, "replay": ours,
                      "states": looked, "kept back": kept_back,
                      "different": len(differences)}))  # fmt: skip
    for difference in differences:
        print(difference)
    statuses = {
        each for s in scenarios for each in replayed(s, config, begin, timing).alerts["status"]
    }
    assert {"paged", "inhibited", "muted", "silenced", "folded"} <= statuses
    assert kept_back > 100
    assert not [each for each in differences if each[1] != "count"]
    assert all(abs(each[2] - each[3]) <= 1 for each in differences)
    assert abs(real - ours) <= 0.05 * real


def twins(name: str, first: dict, second: dict, receivers: tuple[str, str] = ("a", "a")) -> dict:
    """Two sibling routes with equal matchers."""
    base = {"matchers": [f"scenario={name}"], "group_interval": "2s", "group_wait": "1s"}
    base |= {"group_by": ["alertname"], "repeat_interval": "1h", "continue": True}
    names = [f"{name}-{each}" for each in receivers]
    routes = [
        base | {"receiver": receiver} | route
        for receiver, route in zip(names, (first, second), strict=True)
    ]
    return {"matchers": [f"scenario={name}"], "receiver": names[0], "routes": routes}


def single(name: str, **settings: object) -> dict:
    route = {"matchers": [f"scenario={name}"], "receiver": f"{name}-a", "group_by": ["alertname"]}
    return route | {"group_wait": "1s", "group_interval": "2s", "repeat_interval": "1h", **settings}


LATER = {"group_wait": "2s"}
ENDS = 7.5
EXACT = {"group_interval": "250ms", "repeat_interval": "24s"}
SLOW = 0.2
BY_HAND = {
    # name: route, alerts (start, end), how often it is told
    "onelog": (twins("onelog", {}, LATER), [(0, ENDS)], 2),
    "second": (twins("second", {}, LATER), [(0, ENDS), (3.5, ENDS)], 3),
    "labels": (
        twins("labels", {}, LATER | {"group_by": ["alertname", "zone"]}), [(0, ENDS)], 2,
    ),
    "apart": (twins("apart", {}, LATER, ("a", "b")), [(0, ENDS)], 4),
    "groups": (twins("groups", {}, LATER | {"group_by": ["scenario"]}), [(0, ENDS)], 4),
    "slowboth": (twins("slowboth", {}, {}), [(0, ENDS)], 4),
    "unmuted": (single("unmuted", mute_time_intervals=["never"]), [(0, ENDS)], 2),
    "inactive": (single("inactive", active_time_intervals=["never"]), [(0, ENDS)], 0),
    "ontime": (single("ontime", **EXACT), [(0, 60)], 2),
    "slowrepeat": (single("slowrepeat", **EXACT), [(0, 60)], 2),
}  # fmt: skip


@pytest.mark.e2e
def test_shared_entries_empty_lists_and_exact_repeats_are_those_of_a_real_one(
    tmp_path: Path,
) -> None:
    lasts = 28.0
    with webhook_receiver() as hook:
        receivers = [{"name": "nobody"}]
        for name, end in [(name, end) for name in BY_HAND for end in "ab"]:
            title = f"{name}-{end}"
            receivers.append({"name": title, "webhook_configs": [{"url": hook.url(title)}]})
            if name.startswith("slow"):
                hook.slow[title] = SLOW
        never = [{"times": []}, {"weekdays": []}, {"days_of_month": []}, {"months": []}]
        text = json.dumps(
            {
                "route": {
                    "receiver": "nobody",
                    "routes": [{**route, "continue": True} for route, _, _ in BY_HAND.values()],
                },
                "receivers": receivers,
                "time_intervals": [{"name": "never", "time_intervals": [*never, {"years": []}]}],
            }
        )
        scenarios = [
            Scenario(
                name,
                {},
                [],
                [{"scenario": name, "alertname": "x", "n": str(n)} for n in range(len(alerts))],
                [(n, int(a * SECOND), int(b * SECOND)) for n, (a, b) in enumerate(alerts)],
            )
            for name, (_, alerts, _) in BY_HAND.items()
        ]
        with alertmanager(text, tmp_path) as server:
            begin = int((time.time() + 0.5) * SECOND)
            play(server, scenarios, begin)
            time.sleep(max((begin + lasts * SECOND) / 1e6 - time.time(), 0))
        calls = [call for call in hook.calls if call[0] <= begin + lasts * SECOND]
    for scenario in scenarios:
        slow = scenario.name.startswith("slow")
        process = replace(RUNS, answer=int(SLOW * SECOND)) if slow else RUNS
        config = parse_config(text, "by hand", process)
        made = replayed(scenario, config, begin, timing_of(process)).notifications
        made = made[made["time"] <= begin + lasts * SECOND]
        ours = sorted(zip(made["time"], made["receiver"], made["firing"], strict=True))
        theirs = sorted(
            (at, path, sum(each["status"] == "firing" for each in told["alerts"]))
            for at, path, told in calls
            if path.startswith(f"{scenario.name}-")
        )
        both = (scenario.name, [at - begin for at, *_ in theirs], [at - begin for at, *_ in ours])
        assert len(theirs) == len(ours) == BY_HAND[scenario.name][2], both
        assert [rest for _, *rest in theirs] == [rest for _, *rest in ours], both
        near = [abs(a[0] - b[0]) for a, b in zip(theirs, ours, strict=True)]
        assert max(near, default=0) < SLOW * SECOND, both
