"""Alert histories as a user has them, brought through the product's own sources and stages."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from pipelines.aiops import export_rules, mine_rules, replay_rules, select_rules
from pipelines.aiops.lake.batch import ReadWindow
from pipelines.aiops.lake.contract import TABLES
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import HISTORY
from pipelines.aiops.params.telemetry import TableParams
from pipelines.aiops.sources.table import read
from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import Evidence, read_evidence

WORLDS = Path(__file__).parents[1] / "unit/aiops/alerting/worlds"
ALERTS = {
    "columns": {
        "starts_at": "starts_at", "ends_at": "ends_at", "acted": "acted",
        "acknowledged_at": "acked_at", "ticket_id": "ticket",
    },
    "labels_json": "labels",
}  # fmt: skip
TICKETS = {
    "columns": {
        "ticket_id": "id", "opened_at": "opened", "closed_at": "closed", "title": "title",
        "service": "service", "kind": "kind", "severity": "severity", "fix": "fix",
    },
}  # fmt: skip


def freeze(world: Path, project: Path, hold_seconds: float = 0) -> None:
    """Read a world's alerts and tickets and freeze all of them as the project's history."""
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    lake = project / "lake"
    everything = ReadWindow(None, None, datetime(2027, 1, 1, tzinfo=UTC))
    for table, settings, file in (
        ("alerts", ALERTS, "alerts.jsonl.gz"),
        ("tickets", TICKETS, "tickets.csv"),
    ):
        source = TableParams(name=table, kind="table", table=table, files=[file], **settings)
        if table == "alerts":
            source = source.model_copy(update={"hold_seconds": hold_seconds})
        upsert(lake, read(source, everything, world).tables)
    (project / HISTORY).mkdir(parents=True)
    for name in ("alerts", "tickets"):
        frozen = TABLES[name].schema.empty_table()
        if (lake / name).is_dir():
            frozen = ds.dataset(lake / name, format="parquet", schema=frozen.schema).to_table()
        order = frozen.sort_by([(TABLES[name].time, "ascending")])
        pq.write_table(order, project / HISTORY / f"{name}.parquet")


CHAT = """\
  - name: chat
    slack_configs:
      - {channel: '#alerts', api_url_file: /etc/am/slack}
"""


def with_chat(world: Path, folder: Path) -> Path:
    """Copy a world, whose company has a chat there: without one nothing is held back."""
    shutil.copytree(world, folder)
    path = folder / "alertmanager.yml"
    path.write_text(path.read_text().rstrip("\n") + "\n" + CHAT)
    return folder


def params_of(world: Path, **sections: object) -> AiopsParams:
    """Params with the world's own ``alertmanager.yml``; the rest has its defaults."""
    export = {
        "alertmanager_yml": str(world / "alertmanager.yml"),
        "prometheus": [str(path) for path in sorted((world / "prometheus").glob("*.yml"))],
    }
    return AiopsParams.model_validate({"export_rules": export, **sections})


def judge(world: Path, project: Path, **sections: object) -> Evidence:
    """Mine, choose, export and replay a world in an empty folder, which is the current one."""
    freeze(world, project)
    params = params_of(world, **sections)
    for stage in (mine_rules, select_rules, export_rules, replay_rules):
        stage.main(params)
    return read_evidence(evidence_of("replay_rules"))
