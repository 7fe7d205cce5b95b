"""What a model that looks at no column would reach on the same rows."""

from typing import TYPE_CHECKING

from pipelines.base.evidence import Figure
from pipelines.base.numbers import tidy
from pipelines.mlops.modeling.info import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def baseline_figures(y: "NDArray[np.int8]", info: ModelInfo) -> list[Figure]:
    """Accuracy of always giving the training data's majority label, losses of always its rate.

    Parameters
    ----------
    y
        Labels of the test rows, shape (n,).
    """
    import numpy as np

    p = float(np.clip(info.prior, info.score_floor, 1 - info.score_floor))
    rate = float(y.mean())
    majority = info.positive if info.prior >= 0.5 else info.negative
    always = f"always {majority!r}, the more frequent label of the training data"
    prior = f"every row scored {tidy(p):g}, the share of positives in the training data"
    values = {
        "accuracy": ("accuracy", rate if info.prior >= 0.5 else 1 - rate, always),
        "log_loss": ("log loss", -(rate * np.log(p) + (1 - rate) * np.log(1 - p)), prior),
        "brier": ("Brier score", rate * (1 - p) ** 2 + (1 - rate) * p**2, prior),
    }
    return [
        Figure(
            id=f"evaluate.baseline_{name}",
            label=f"Baseline {label}",
            value=tidy(float(value)),
            method=method,
            n=len(y),
        )
        for name, (label, value, method) in values.items()
    ]
