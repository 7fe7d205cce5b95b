import json
import random
import subprocess
from pathlib import Path

from pipelines.aiops.alerting.config import Route, parse_config, routes_of
from tests.support.alertmanager_server import need_program

MATCHERS = (
    'team="a"', "team = b", "team!=a", 'team=~"a|c"', 'team!~"a.*"', 'sev=""', '{sev="x,y"}',
    r'sev="q\"uote"', 'sev=~".+"', 'team="",sev=~"[[:alpha:]]+"', r'sev=~"\\d+"', "sev!=",
)  # fmt: skip
VALUES = ("a", "b", "c", "", "x,y", 'q"uote', "12")


def tree(chance: random.Random, names: list[str], depth: int = 0) -> dict:
    names.append(f"r{len(names)}")
    route: dict = {"receiver": names[-1]}
    if depth:
        kind = chance.random()
        if kind < 0.7:
            route["matchers"] = chance.sample(MATCHERS[:11], chance.choice([1, 1, 2]))
        elif kind < 0.85:
            route["match"] = {"team": chance.choice("abc")}
        else:
            route["match_re"] = {"team": "a|b", "sev": ".*"}
        route["continue"] = chance.random() < 0.4
    if depth < 3:
        route["routes"] = [
            tree(chance, names, depth + 1)
            for _ in range(chance.choice([1, 2, 3] if not depth else [0, 1, 2]))
        ]
    return route


def receivers(route: Route, labels: dict) -> list[str]:
    nodes = dict(route.walk())
    return [nodes[path].receiver for path in routes_of(route, labels)]


def test_alerts_end_at_the_receivers_that_amtool_names(tmp_path: Path) -> None:
    program = need_program("amtool")
    chance = random.Random(1)
    checked = 0
    for number in range(12):
        names: list[str] = []
        document = {"route": tree(chance, names), "receivers": [{"name": name} for name in names]}
        file = tmp_path / f"{number}.yml"
        file.write_text(json.dumps(document))
        config = parse_config(file.read_text(), file.name)
        for _ in range(6):
            labels = {key: chance.choice(VALUES) for key in ("team", "sev")}
            labels = {key: value for key, value in labels.items() if value}
            said = [f"{k}={json.dumps(v)}" for k, v in labels.items()] or ["other=x"]
            command = [program, "config", "routes", "test", f"--config.file={file}", *said]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            assert receivers(config.route, labels) == answer.stdout.strip().split(","), labels
            checked += 1
    assert checked == 72
