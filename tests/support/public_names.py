"""Names that stay, whatever moves: for reproductions that lie outside this repository."""

from pipelines.aiops.alerting.config import SECOND, load_config, routes_of
from pipelines.aiops.alerting.export.alertmanager import merge_config
from pipelines.aiops.alerting.export.write import read_text
from pipelines.aiops.alerting.export.yaml_edit import remove as remove_rules
from pipelines.aiops.alerting.replay import Timing, replay
from pipelines.aiops.lake.batch import ReadWindow as Window
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.params.telemetry import Source
from pipelines.aiops.sources.ingest import read_source
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.alerting.export import make as make_rules
from tests.unit.release.lifecycle.product import commit, make_project, make_run

__all__ = [
    "SECOND",
    "AlertFrame",
    "SignalboxError",
    "Source",
    "Timing",
    "Window",
    "commit",
    "load_config",
    "make_project",
    "make_rules",
    "make_run",
    "merge_config",
    "read_source",
    "read_text",
    "remove_rules",
    "replay",
    "routes_of",
    "upsert",
]
