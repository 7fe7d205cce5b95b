"""Ways of scoring a series point by point by its past, to compare with the product's.

Each takes a series and returns a score per row; larger is odder, no upper limit. Those that need a
tail use the product's, so that what is compared is what is measured, not how it is calibrated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.nab_scoring import Series
from pipelines.aiops.metrics import DEFAULTS, score
from pipelines.aiops.metrics.features import PARTS
from pipelines.aiops.metrics.scoring import Tail, blocks

Floats = npt.NDArray[np.float64]
Method = Callable[[Series], Floats]


def step_us(series: Series) -> int:
    return int(np.median(np.diff(series.at)))


def gridded(series: Series) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the series on an even grid, and each row's column."""
    columns = np.round((series.at - series.at[0]) / step_us(series)).astype(np.int64)
    values = np.full(int(columns.max()) + 1, np.nan)
    values[columns] = series.values
    return values, columns


def product(series: Series) -> Floats:
    values, columns = gridded(series)
    found = score(values[None], step_us(series)).surprise[0]
    return np.asarray(found[columns], dtype=np.float64)


def parts(series: Series) -> Floats:
    """Return the product's summands, ``[5, rows]``."""
    values, columns = gridded(series)
    found = score(values[None], step_us(series), details=True).parts
    assert found is not None
    return np.asarray(found[:, 0, columns], dtype=np.float64)


def one_part(name: str) -> Method:
    return lambda series: parts(series)[PARTS.index(name)]


def without_part(name: str) -> Method:
    return lambda series: np.delete(parts(series), PARTS.index(name), axis=0).sum(axis=0)


def largest_part(series: Series) -> Floats:
    found: Floats = parts(series).max(axis=0)
    return found


def _filled(values: Floats) -> Floats:
    found: Floats = np.nan_to_num(values, posinf=1e12)
    return found


def rolling_z(series: Series, width: int = 1000) -> Floats:
    import pandas as pd

    past = pd.Series(series.values).shift(1).rolling(width, min_periods=30)
    z = (series.values - past.mean()) / past.std().clip(lower=1e-12)
    return _filled(np.abs(z.to_numpy()))


def robust_z(series: Series) -> Floats:
    """Distance from the rolling median in rolling median absolute deviations."""
    import pandas as pd

    values = pd.Series(series.values)
    middle = values.shift(1).rolling(500, min_periods=30).median()
    off = (values - middle).abs()
    width = off.shift(1).rolling(500, min_periods=30).median().clip(lower=1e-12)
    return _filled((off / width).to_numpy())


def ewma_likelihood(series: Series) -> Floats:
    """Error of an exponential mean, short against long term: Numenta's anomaly likelihood."""
    import pandas as pd

    values = pd.Series(series.values)
    error = (values - values.ewm(span=12).mean().shift(1)).abs()
    short = error.rolling(10, min_periods=1).mean()
    past = error.shift(1).rolling(8000, min_periods=30)
    z = (short - past.mean()) / past.std().clip(lower=1e-12)
    return _filled(z.clip(lower=0).to_numpy())


def _tailed(distances: Floats) -> Floats:
    tail, found = Tail(1, DEFAULTS), np.zeros(len(distances))
    floor = np.array([1e-9 * max(1.0, float(distances.max()))])
    for left, right in blocks(len(distances), DEFAULTS):
        now = distances[None, left:right]
        found[left:right] = tail.fit(floor).surprise(now)[0]
        tail.learn(now)
    return found


def discord(series: Series, width: int = 24) -> Floats:
    """Left matrix profile: distance of the last `width` points to the nearest earlier ones.

    Without z-normalisation (a change of level is news), with the product's tail.
    """
    values = series.values - np.median(series.values[: series.probation])
    count = len(values) - width + 1
    squares = np.concatenate(([0.0], np.cumsum(values**2)))
    power = squares[width:] - squares[:-width]
    found = np.zeros(len(values))
    # Products of window i with all earlier ones follow from those of window i - 1.
    product_ = np.correlate(values, values[:width], mode="valid")
    first = product_.copy()
    for i in range(1, count):
        product_[1:] = (
            product_[:-1]
            - values[: count - 1] * values[i - 1]
            + values[width:] * values[i + width - 1]
        )
        product_[0] = first[i]
        if i > width:
            near = power[: i - width] + power[i] - 2 * product_[: i - width]
            found[i + width - 1] = np.sqrt(max(0.0, float(near.min())))
    return _tailed(found)


def relative_entropy(series: Series, width: int = 52, bins: int = 5) -> Floats:
    """Least Kullback-Leibler divergence of the last window from kept ones (Wang et al. 2011).

    Bins by quantiles of the probation; a window is kept as a new kind when it is far from all.
    """
    edges = np.quantile(series.values[: series.probation], np.linspace(0, 1, bins + 1)[1:-1])
    codes = np.searchsorted(edges, series.values)
    counts = np.cumsum(np.eye(bins)[codes], axis=0)
    shares = (counts[width:] - counts[:-width] + 0.5) / (width + 0.5 * bins)
    kinds, found = shares[:1], np.zeros(len(series.values))
    for place, share in enumerate(shares):
        distance = float((share * np.log(share / kinds)).sum(axis=1).min())
        found[place + width] = distance
        if distance > 0.1:
            kinds = np.concatenate([kinds, share[None]])
    return _tailed(found)


METHODS: dict[str, Method] = {
    "product": product,
    "largest part instead of the sum": largest_part,
    "level only": one_part("level"),
    "season only": one_part("season"),
    "without level": without_part("level"),
    "without mean": without_part("mean"),
    "without change": without_part("change"),
    "without season": without_part("season"),
    "without rhythm": without_part("rhythm"),
    "rolling z": rolling_z,
    "robust rolling z": robust_z,
    "EWMA, anomaly likelihood": ewma_likelihood,
    "left discord": discord,
    "relative entropy": relative_entropy,
}
