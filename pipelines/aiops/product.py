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
        frozenset({"c010a5be2693639471826d1732d0e548de6bff9876fa8c2ebc19db01e4d04524"}),
    ),
)
