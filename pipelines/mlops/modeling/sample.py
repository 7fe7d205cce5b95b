"""Training rows in the form a model takes, with their folds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.mlops.modeling.folds import Splits
from pipelines.mlops.modeling.info import Input

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """`n` rows a model is fitted on.

    Attributes
    ----------
    x
        Table in the form `inputs.prepare` gives.
    y
        Labels 0 or 1, shape (n,).
    parts
        Row numbers (fit, held out) of every fold.
    inputs
        The columns of `x`, in order.
    """

    x: "pd.DataFrame"
    y: "NDArray[np.int8]"
    parts: Splits
    inputs: list[Input]
