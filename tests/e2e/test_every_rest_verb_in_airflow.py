"""Every verb of Airflow's REST API that changes something, tried by every role against a release.

What may be released is what the ledger's question asked about and an approver's answer allowed.
The verbs are those of the running Airflow's own OpenAPI document: one that this file doesn't know
makes it fail.
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
import yaml

from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle import production
from tests.e2e.stack import DAG, Airflow, answer, login, set_approval, settle, started, state, wait
from tests.support.small_project import call, make_small_project

pytestmark = pytest.mark.e2e

WHY = "I have looked at it and accept the risk."
PATH = ["record_run", "verdict", "approve_release", "release"]
"""Tasks of the release path, in order, where the gate approves."""
ROLES = {"vera": "viewer", "uma": "user", "otto": "op", "root": "admin"}
"""One user of each role; none of them is an approver."""
CHANGES = ("post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    project = make_small_project(tmp_path_factory.mktemp("verbs") / "project")
    set_approval(project, approvers=["alice", "bob"], on_reject="ask_override")
    with started(project) as running:
        yield running


@dataclass
class Story:
    """One run, from its start to long after its release."""

    airflow: Airflow
    run: str
    backfill: int
    """Of another DAG: verbs on a backfill ask for one that there is."""
    tried: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    """Role → verb and path → status of the first try."""

    def entries(self) -> list[Entry]:
        ledger = Ledger.of(self.airflow.project)
        assert ledger.verify().ok
        name = f"{DAG}/{self.run.replace(':', '.')}"
        return [entry for entry in ledger.entries() if entry.data.get("run") == name]

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.entries()]

    def asks(self) -> None:
        wait(
            lambda: state(self.airflow, self.run, "approve_release") == "awaiting_input",
            400,
            lambda: self.airflow.told(self.run),
        )
        settle(self.airflow)

    def question(self) -> str:
        return f"{self.place('approve_release')}/-1/hitlDetails"

    def place(self, task: str) -> str:
        run = quote(self.run, safe="")
        return f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/{task}"

    def clear(self, client: httpx.Client, *tasks: str) -> None:
        body = {
            "dag_run_id": self.run, "task_ids": list(tasks), "dry_run": False,
            "only_failed": False, "include_downstream": True,
        }  # fmt: skip
        client.post(f"/api/v2/dags/{DAG}/clearTaskInstances", json=body).raise_for_status()

    def attack(self, user: str, tasks: Iterable[str], only: Iterable[str] = ("",)) -> None:
        """Try every verb as a user, on every one of some tasks."""
        client = logged_in_as(self.airflow, user, ROLES[user])
        file = client.get(f"/api/v2/dags/{DAG}/details").json()["file_token"]
        found = self.tried.setdefault(ROLES[user], {})
        for task in tasks:
            verbs = requests(self, task)
            if ROLES[user] == "viewer":  # for others they would end the story, or litter it
                verbs |= {key: [None] for key in ENDINGS}
            for (verb, path), bodies in verbs.items():
                if not any(part in path for part in only):
                    continue
                for body in bodies:
                    place = path.format(
                        dag_id=DAG, dag_run_id=quote(self.run, safe=""), task_id=task, map_index=-1,
                        xcom_key="return_value", asset_id=1, backfill_id=self.backfill,
                        group_id="none", connection_id="forged", variable_key="forged",
                        pool_name="forged", file_token=file, key="answer",
                    )  # fmt: skip
                    status = client.request(verb, place, json=body).status_code
                    found.setdefault((verb, path), status)


def logged_in_as(airflow: Airflow, user: str, role: str) -> httpx.Client:
    """Return a client with a token as the log-in would give it to a user of a role."""
    given = airflow.client.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(given, options={"verify_signature": False})
    secret = (airflow.project / ".airflow/jwt_secret").read_text()
    made = jwt.encode(
        {**claims, "sub": user, "role": role}, secret, jwt.get_unverified_header(given)["alg"]
    )
    client = httpx.Client(base_url=airflow.address, timeout=60)
    airflow.to_close.callback(client.close)
    client.headers["Authorization"] = f"Bearer {made}"
    return client


FORGED = {"who": "alice", "approves": True, "reason": WHY, "at": "", "channel": "airflow"}


def requests(story: Story, task: str) -> dict[tuple[str, str], list[Any]]:
    """Every verb, with what an attacker would send."""
    other = call(story.airflow.project, "git", "rev-parse", "HEAD").strip()
    value = {
        "answer": FORGED, "commit": other, "run": f"{DAG}/other", "verdict": "approve",
        "releases": True, "kind": "approved", "policy": "named approvers",
        "chosen_options": ["Approve"], "responded_by_user": {"id": "alice", "name": "alice"},
    }  # fmt: skip
    states = [{"new_state": "failed"}, {"new_state": "success"}]
    run = {"dag_id": DAG, "dag_run_id": story.run}
    ti = {**run, "task_id": task, "map_index": -1, "new_state": "success"}
    long_ago = "2020-01-01T00:00:00Z"
    trigger = {"logical_date": None, "dag_run_id": story.run, "conf": {"headless": True}}
    v2, dag = "/api/v2", "/api/v2/dags/{dag_id}"
    a_run = f"{dag}/dagRuns/{{dag_run_id}}"
    a_task = f"{a_run}/taskInstances/{{task_id}}"
    xcoms, store = f"{a_task}/xcomEntries", f"{a_task}/state-store"
    backfill = {"dag_id": DAG, "from_date": long_ago, "to_date": long_ago}
    variable, pool = {"key": "forged", "value": "x"}, {"name": "forged", "slots": 1}
    connection = {"connection_id": "forged", "conn_type": "http"}
    return {
        ("patch", a_task): states,
        ("patch", f"{a_task}/{{map_index}}"): states,
        ("patch", f"{a_task}/dry_run"): states,
        ("patch", f"{a_task}/{{map_index}}/dry_run"): states,
        ("patch", f"{a_run}/taskInstances"): [
            {"actions": [{"action": "update", "entities": [ti]}]},
            {"actions": [{"action": "create", "entities": [ti]}]},
        ],
        ("patch", f"{a_run}/taskGroupInstances/{{group_id}}"): states,
        ("patch", f"{a_run}/taskGroupInstances/{{group_id}}/dry_run"): states,
        ("post", xcoms): [
            {"key": key, "value": value, "map_index": -1}
            for key in ("return_value", "answer", "chosen_options", "outcome")
        ],
        ("patch", f"{xcoms}/{{xcom_key}}"): [{"value": value, "map_index": -1}],
        ("delete", f"{xcoms}/{{xcom_key}}"): [None],
        ("put", f"{store}/{{key}}"): [{"value": FORGED}],
        ("patch", f"{store}/{{key}}"): [{"value": FORGED}],
        ("delete", f"{store}/{{key}}"): [None],
        ("delete", store): [None],
        ("patch", f"{a_task}/{{map_index}}/hitlDetails"): [
            answer("Approve", WHY),
            answer("Approve", "auto_approve_demo"),
            {**answer("Approve", WHY), "responded_by_user": {"id": "alice", "name": "alice"}},
        ],
        ("patch", a_run): [{"note": "approved by alice"}],
        ("post", f"{a_run}/clear"): [{"dry_run": True}],
        ("post", f"{dag}/clearDagRuns"): [{"dry_run": True, "dag_runs": [run]}],
        ("post", f"{dag}/clearPartitions"): [{"dry_run": True, "run_id": story.run}],
        ("post", f"{dag}/clearTaskInstances"): [{"dry_run": True, "dag_run_id": story.run}],
        ("post", f"{dag}/dagRuns"): [trigger, {**trigger, "logical_date": long_ago}],
        ("patch", f"{dag}/dagRuns"): [
            {"actions": [{"action": "update", "entities": [{**run, "note": "alice agrees"}]}]},
        ],
        ("post", f"{dag}/dagRuns/{{dag_run_id}}/taskInstances/list"): [{}],
        ("post", f"{dag}/dagRuns/list"): [{}],
        ("patch", dag): [{"is_paused": False}],
        ("patch", f"{v2}/dags"): [{"is_paused": False}],
        ("post", f"{dag}/favorite"): [None],
        ("post", f"{dag}/unfavorite"): [None],
        ("post", f"{v2}/assets/events"): [{"asset_id": 0, "extra": {"approved": True}}],
        ("post", f"{v2}/assets/{{asset_id}}/materialize"): [{"dag_run_id": story.run}],
        ("delete", f"{v2}/assets/{{asset_id}}/queuedEvents"): [None],
        ("delete", f"{dag}/assets/queuedEvents"): [None],
        ("delete", f"{dag}/assets/{{asset_id}}/queuedEvents"): [None],
        ("put", f"{v2}/assets/{{asset_id}}/state-store/{{key}}"): [{"value": FORGED}],
        ("delete", f"{v2}/assets/{{asset_id}}/state-store/{{key}}"): [None],
        ("delete", f"{v2}/assets/{{asset_id}}/state-store"): [None],
        ("post", f"{v2}/backfills"): [{**backfill, "dag_run_conf": {"headless": True}}],
        ("post", f"{v2}/backfills/dry_run"): [backfill],
        **{
            ("put", f"{v2}/backfills/{{backfill_id}}/{word}"): [None]
            for word in ("pause", "unpause", "cancel")
        },
        ("post", f"{v2}/connections"): [connection],
        ("patch", f"{v2}/connections"): [
            {"actions": [{"action": "create", "entities": [connection]}]}
        ],
        ("patch", f"{v2}/connections/{{connection_id}}"): [connection],
        ("delete", f"{v2}/connections/{{connection_id}}"): [None],
        ("post", f"{v2}/connections/test"): [connection],
        ("post", f"{v2}/connections/enqueue-test"): [connection],
        ("post", f"{v2}/variables"): [variable],
        ("patch", f"{v2}/variables"): [{"actions": [{"action": "create", "entities": [variable]}]}],
        ("patch", f"{v2}/variables/{{variable_key}}"): [variable],
        ("delete", f"{v2}/variables/{{variable_key}}"): [None],
        ("post", f"{v2}/pools"): [pool],
        ("patch", f"{v2}/pools"): [{"actions": [{"action": "create", "entities": [pool]}]}],
        ("patch", f"{v2}/pools/{{pool_name}}"): [pool],
        ("delete", f"{v2}/pools/{{pool_name}}"): [None],
        ("put", f"{v2}/parseDagFile/{{file_token}}"): [None],
    }


ENDINGS = (
    ("delete", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}"),
    ("delete", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}"),
    ("delete", "/api/v2/dags/{dag_id}"),
    ("post", "/api/v2/connections/defaults"),
)
"""The first two are tried by `test_what_was_deleted_and_made_again_under_its_name_…` as well."""
READS = ("/list", "/favorite", "/unfavorite")
"""What only reads, or is the reader's own mark."""
STATES = ("taskInstances/{task_id}", "taskInstances", "xcomEntries", "hitlDetails", "dagRuns")


@pytest.fixture(scope="module")
def story(airflow: Airflow) -> Story:
    """Start a run, as a user, that the gate will approve."""
    params = yaml.safe_load((airflow.project / "params.yaml").read_text())
    [check] = [check for check in params["gate"]["checks"] if check["id"] == "ranking"]
    conf = {"gate.checks": [{**check, "threshold": 0.5}]}
    airflow.api.unpause(DAG)
    user = logged_in_as(airflow, "uma", "user")
    made = user.post(f"/api/v2/dags/{DAG}/dagRuns", json={"logical_date": None, "conf": conf})
    run = str(made.raise_for_status().json()["dag_run_id"])
    dates = {"from_date": "2020-01-01T00:00:00Z", "to_date": "2020-01-02T00:00:00Z"}
    body = {"dag_id": "model_monitoring", **dates}
    # With SQLite, Airflow answers 503 where another of its processes was writing.
    made = airflow.client.post("/api/v2/backfills", json=body)
    for _ in range(20):
        if made.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(1)
        made = airflow.client.post("/api/v2/backfills", json=body)
    return Story(airflow, run, int(made.raise_for_status().json()["id"]))


def nothing_was_released(story: Story) -> None:
    assert production(story.airflow.project, DAG) is None
    assert call(story.airflow.project, "git", "tag") == ""
    assert not {"answer", "approval", "override", "release"} & set(story.kinds())


def test_every_verb_of_this_airflow_is_tried(airflow: Airflow, story: Story) -> None:
    document = airflow.client.get("/openapi.json").raise_for_status().json()
    there = {
        (verb, path)
        for path, operations in document["paths"].items()
        for verb in CHANGES
        if verb in operations and path.startswith("/api/v2/")
    }
    assert there - {*requests(story, "release"), *ENDINGS} == set()
    assert len(there) > 50


def test_before_the_question_nothing_that_is_written_answers_it(story: Story) -> None:
    for user in ROLES:
        story.attack(user, PATH, only=STATES)
    nothing_was_released(story)
    story.clear(logged_in_as(story.airflow, "otto", "op"), *PATH)
    story.asks()
    assert story.kinds()[-1] == "question"
    nothing_was_released(story)
    told = story.airflow.client.get(story.question()).json()
    assert "Whoever started this run changed its parameters" in told["body"]
    assert "gate.checks" in told["body"]


def test_nobody_but_the_approvers_answers(story: Story) -> None:
    airflow = story.airflow
    for user, role in [
        *ROLES.items(), ("Alice", "op"), (" alice", "op"), ("alice ", "op"), ("ａlice", "op"),
        ("alice", "viewer"), ("", "admin"),
    ]:  # fmt: skip
        refused = logged_in_as(airflow, user, role).patch(
            story.question(), json=answer("Approve", WHY)
        )
        assert refused.status_code in (401, 403), (user, role, refused.text)
    assert httpx.patch(airflow.address + story.question(), json={}).status_code == 401
    assert airflow.client.get(story.question()).json()["response_received"] is False


def test_the_api_of_tasks_takes_no_users_token(story: Story) -> None:
    client = logged_in_as(story.airflow, "root", "admin")
    task = client.get(story.place("approve_release")).raise_for_status().json()["id"]
    run = quote(story.run, safe="")
    reply = {"ti_id": task, "chosen_options": ["Approve"], "params_input": {"reason": WHY}}
    ended = {"state": "success", "end_date": "2026-01-01T00:00:00Z"}
    for verb, path, body in (
        ("patch", f"hitlDetails/{task}", reply),
        ("post", f"hitlDetails/{task}", {**reply, "options": ["Approve"], "subject": "x"}),
        ("patch", f"task-instances/{task}/state", ended),
        ("post", f"xcoms/{DAG}/{run}/approve_release/return_value", FORGED),
    ):
        status = client.request(verb, f"/execution/{path}", json=body).status_code
        assert status in (401, 403), (verb, path, status)
    assert story.airflow.client.get(story.question()).json()["response_received"] is False


def test_while_the_question_waits_no_verb_answers_it(story: Story) -> None:
    airflow = story.airflow
    for user in ROLES:
        story.attack(user, ["release"])  # every verb once, on the task that would release
        story.attack(user, ["save_run", "record_run"], only=["xcomEntries"])
    for user in ("uma", "otto", "root"):
        story.attack(user, ["approve_release"], only=["xcomEntries", "hitlDetails", "store"])
    assert airflow.client.get(story.question()).json()["response_received"] is False
    otto = logged_in_as(airflow, "otto", "op")
    otto.patch(story.place("approve_release"), json={"new_state": "success"}).raise_for_status()
    airflow.finished(story.run)  # a scheduler that closes the run could undo what is cleared
    story.clear(otto, "release")
    assert airflow.finished(story.run) == "failed"
    assert story.kinds()[-1] == "refusal"
    assert "nobody has decided" in story.entries()[-1].data["reason"]
    nothing_was_released(story)


def test_a_viewer_changes_nothing_at_all(story: Story) -> None:
    allowed = {
        verb: status
        for verb, status in story.tried["viewer"].items()
        if status not in (401, 403) and not verb[1].endswith(READS)
    }
    assert allowed == {}
    assert len(story.tried["viewer"]) > 50
    refused = {verb for verb, status in story.tried["user"].items() if status == 403}
    assert ("post", "/api/v2/variables") in refused
    assert ("post", "/api/v2/assets/events") in refused


def test_who_was_taken_off_the_list_answers_in_vain(story: Story) -> None:
    airflow = story.airflow
    story.clear(logged_in_as(airflow, "uma", "user"), "approve_release")
    story.asks()
    alice = login(airflow, "alice")
    set_approval(airflow.project, approvers=["bob", "admin"], on_reject="ask_override")
    alice.patch(story.question(), json=answer("Approve", WHY)).raise_for_status()
    wait(lambda: "rejection" in story.kinds(), 120)
    set_approval(airflow.project, approvers=["alice", "bob"], on_reject="ask_override")
    assert airflow.finished(story.run) == "success"
    assert production(airflow.project, DAG) is None
    [entry] = [entry for entry in story.entries() if entry.kind == "rejection"]
    assert entry.data["outcome"]["reasons"] == ["'alice' is not on the list of approvers."]


def test_an_approver_releases_what_was_asked_about(story: Story) -> None:
    airflow = story.airflow
    story.clear(logged_in_as(airflow, "uma", "user"), "approve_release")
    story.asks()
    alice, reply = login(airflow, "alice"), answer("Approve", WHY)
    alice.patch(story.question(), json=reply).raise_for_status()
    again = login(airflow, "bob").patch(story.question(), json=answer("Reject", "Too late."))
    assert again.status_code == 409
    assert airflow.finished(story.run) == "success"
    asked = [entry for entry in story.entries() if entry.kind == "question"][-1]
    now = production(airflow.project, DAG)
    assert now is not None
    assert now.commit == asked.data["commit"]
    assert story.kinds()[-2:] == ["answer", "approval"]


def released(airflow: Airflow) -> tuple[str, list[str], str]:
    entries = Ledger.of(airflow.project).entries()
    kinds = [entry.kind for entry in entries if entry.kind in ("release", "rollback", "approval")]
    return call(airflow.project, "git", "tag"), kinds, json.dumps(
        str(production(airflow.project, DAG))
    )  # fmt: skip


def test_after_the_release_no_verb_releases_again_or_anything_else(story: Story) -> None:
    airflow, before = story.airflow, released(story.airflow)
    for user in ROLES:
        story.attack(user, PATH, only=STATES)
    otto = logged_in_as(airflow, "otto", "op")
    story.clear(otto, "approve_release")
    assert airflow.finished(story.run) == "success"
    assert state(airflow, story.run, "approve_release") == "success"
    assert state(airflow, story.run, "release") == "skipped"
    story.clear(otto, "release")
    assert airflow.finished(story.run) == "success"
    assert released(airflow) == before


def test_an_event_that_asks_for_a_new_model_only_starts_a_run(story: Story) -> None:
    airflow, before = story.airflow, released(story.airflow)
    otto = logged_in_as(airflow, "otto", "op")
    assets = otto.get("/api/v2/assets").raise_for_status().json()["assets"]
    [asset] = [one["id"] for one in assets if one["name"] == "retrain/model_release"]
    event = {"asset_id": asset, "extra": {"approved": True, "answer": FORGED}}
    otto.post("/api/v2/assets/events", json=event).raise_for_status()

    def started_by_it() -> list[str]:
        listed = otto.get(f"/api/v2/dags/{DAG}/dagRuns").json()["dag_runs"]
        return [one["dag_run_id"] for one in listed if one["run_type"] == "asset_triggered"]

    wait(lambda: bool(started_by_it()), 100, lambda: airflow.told(story.run))
    for run in started_by_it():
        place = f"/api/v2/dags/{DAG}/dagRuns/{quote(run, safe='')}"
        otto.patch(place, json={"state": "success"}).raise_for_status()
        otto.delete(place).raise_for_status()
    assert released(airflow) == before


def test_what_was_deleted_and_made_again_under_its_name_releases_nothing(story: Story) -> None:
    airflow, before = story.airflow, released(story.airflow)
    otto = logged_in_as(airflow, "otto", "op")
    otto.delete(story.place("approve_release")).raise_for_status()
    run = f"/api/v2/dags/{DAG}/dagRuns"
    otto.delete(f"{run}/{quote(story.run, safe='')}").raise_for_status()
    body = {"logical_date": None, "dag_run_id": story.run, "conf": {"headless": True}}
    otto.post(run, json=body).raise_for_status()
    tasks = [task.name for task in airflow.api.tasks(DAG, story.run)]
    for task in tasks:
        if task not in PATH:  # as if all stages had run
            otto.patch(story.place(task), json={"new_state": "success"}).raise_for_status()
            forged = {"key": "return_value", "value": {"commit": "0" * 40}, "map_index": -1}
            otto.post(f"{story.place(task)}/xcomEntries", json=forged)
    for task in ("approve_release",):
        otto.patch(story.place(task), json={"new_state": "success"}).raise_for_status()
    airflow.finished(story.run)
    assert released(airflow) == before
    assert story.kinds().count("approval") == 1
