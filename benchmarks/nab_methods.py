"""Ways of scoring a series point by point by its past, to compare with the product's.

Each takes a series and returns a score per row; larger is odder, no upper limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.nab_scoring import Series
from pipelines.aiops.metrics import DEFAULTS, score

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
    return changed()(series)


def changed(**settings: Any) -> Method:
    """Return the product's score with other settings."""

    def scored(series: Series) -> Floats:
        values, columns = gridded(series)
        found = score(values[None], replace(DEFAULTS, **settings)).surprise[0]
        return np.asarray(found[columns], dtype=np.float64)

    return scored


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


def by_past(distances: Floats, past: int = 10_080, least: int = 48) -> Floats:
    """Divide distances by the median of their own past."""
    import pandas as pd

    before = pd.Series(distances).shift(1).rolling(past, min_periods=least).median()
    floor = 1e-9 * max(1.0, float(np.nanmax(distances)))
    return _filled((distances / before.clip(lower=floor)).to_numpy())


def discord(series: Series, width: int = 24) -> Floats:
    """Left matrix profile: distance of the last `width` points to the nearest earlier ones.

    Without z-normalisation (a change of level is news), of a week of minutes, by its past.
    """
    plain = {"suspect": np.inf, "spike_weight": 0.0, "level_weight": 0.0, "usual_share": 0.5}
    return changed(**plain, decay=1.0, window=width)(series)


def seasonal_naive(series: Series) -> Floats:
    """Distance from the value a day before, by its past."""
    values, columns = gridded(series)
    day = round(86_400e6 / step_us(series))
    known = np.where(np.isfinite(values), values, np.nanmedian(values[: series.probation]))
    found = np.zeros(len(known))
    if 0 < day < len(known):
        found[day:] = np.abs(known[day:] - known[:-day])
    return by_past(found)[columns]


def discord_by_season(series: Series) -> Floats:
    """Square root of left discord times seasonal naive."""
    found: Floats = np.sqrt(discord(series) * seasonal_naive(series))
    return found


def median_shift(series: Series, width: int = 30, past: int = 240) -> Floats:
    """Shift of a short median from a longer one before it, in robust deviations of the latter."""
    import pandas as pd

    values = pd.Series(series.values)
    short = values.rolling(width, min_periods=5).median()
    middle = values.shift(width).rolling(past, min_periods=30).median()
    width_ = (values - middle).abs().shift(width).rolling(past, min_periods=30).median()
    return _filled(((short - middle).abs() / width_.clip(lower=1e-12)).to_numpy())


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
    return by_past(found)


ABLATIONS: dict[str, dict[str, Any]] = {
    "without spike": {"spike_weight": 0.0},
    "without level": {"level_weight": 0.0},
    "discord alone": {"spike_weight": 0.0, "level_weight": 0.0},
    "without gate": {"gate": 1e-9},
    "without suspicion": {"suspect": float("inf")},
    "without decay": {"decay": 1.0},
    "scale: the median": {"usual_share": 0.5},
    "without youth": {"young": 0},
    "nothing is absorbed": {"absorb": 10**9},
}
"""Settings that leave out one part of the product each."""

METHODS: dict[str, Method] = {
    "product": product,
    **{name: changed(**settings) for name, settings in ABLATIONS.items()},
    "left discord": discord,
    "seasonal naive": seasonal_naive,
    "discord by season": discord_by_season,
    "median shift": median_shift,
    "rolling z": rolling_z,
    "robust rolling z": robust_z,
    "EWMA, anomaly likelihood": ewma_likelihood,
    "relative entropy": relative_entropy,
}
