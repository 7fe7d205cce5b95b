"""What `pipelines.aiops` releases: an entry point in ``pyproject.toml``."""

from pipelines.aiops.params.artifacts import RULE_SET, RULES_RELEASED
from pipelines.core.artifacts import evidence_of
from pipelines.release.products import DemoData, Product

ALERT_NOISE_REDUCTION = Product(
    name="alert_noise_reduction",
    title="Alert noise rules",
    artifacts=(RULE_SET.as_posix(),),
    gate="gate_rules",
    pointer=RULES_RELEASED.as_posix(),
    report="reports/alert_noise_reduction.html",
    section="aiops",
    demo=DemoData(
        evidence_of("alert_history").as_posix(),
        # The alert history of the simulated world as params.yaml comes with the repository.
        frozenset({"681b2eb35a5fed21b08c6c88eafb2cee325db9ae951073f56e4817fa5cd7fdbd"}),
    ),
)
