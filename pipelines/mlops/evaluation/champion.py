"""The released model on the same test rows."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.artifacts import MODEL, MODEL_INFO, TRAIN
from pipelines.core.errors import SignalboxError
from pipelines.core.tables import SUBJECT, read_table
from pipelines.mlops.data.columns import is_numeric
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.modeling.store import load_model
from pipelines.release.released import NOTHING_RELEASED, Released, fetch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Champion:
    """Scores of the released model, or the reason why there are none.

    Attributes
    ----------
    name, commit : str or None
        Of the release; None when nothing has been released.
    scores : ndarray of float64, shape (n,), or None
        Scores of the test rows; None if `reason` says why not.
    threshold : float
        The released model's own.
    reason : str
        Why there are no scores; empty otherwise.
    seen_subjects : int or None
        Test subjects that were in its training data; None if `seen_reason` says why unknown.
    seen_reason : str
        Why `seen_subjects` is unknown; empty otherwise.
    """

    name: str | None = None
    commit: str | None = None
    scores: "NDArray[np.float64] | None" = None
    threshold: float = 0.5
    reason: str = ""
    seen_subjects: int | None = None
    seen_reason: str = ""

    def facts(self) -> dict[str, Any] | None:
        """Return what the evidence says about it; None without a release."""
        if self.name is None:
            return None
        return {
            "name": self.name,
            "commit": self.commit,
            "compared": self.scores is not None,
            "reason": self.reason,
            "threshold": self.threshold,
            "seen_subjects": self.seen_subjects,
            "seen_reason": self.seen_reason,
        }


def load_champion(released: Released | None, test: "pd.DataFrame") -> Champion:
    """Score the test rows with the released model.

    Parameters
    ----------
    released : Released or None
        None when nothing has been released.
    test : pandas.DataFrame, n rows
        Test split with the column ``subject_id``.

    Returns
    -------
    Champion
        A model that is sound but cannot score these rows (other columns, other versions) gives a
        reason instead of scores.

    Raises
    ------
    SignalboxError
        If its files cannot be fetched or aren't those that were released.
    """
    if released is None:
        return Champion(reason=NOTHING_RELEASED, seen_reason=NOTHING_RELEASED)
    with tempfile.TemporaryDirectory() as folder:
        model_path, info_path = Path(folder) / MODEL.name, Path(folder) / MODEL_INFO.name
        fetch(released, MODEL, model_path)
        fetch(released, MODEL_INFO, info_path)
        seen, seen_reason = _seen(released, test, Path(folder))
        facts: dict[str, Any] = {
            "name": released.name,
            "commit": released.commit,
            "seen_subjects": seen,
            "seen_reason": seen_reason,
        }
        try:
            model, info = load_model(model_path, info_path)
            scores = score(model, info, test)
        except SignalboxError as error:
            reason = str(error).replace(f"{folder}/", "models/")
            return Champion(**facts, reason=f"the released model cannot score these rows: {reason}")
    return Champion(**facts, scores=scores, threshold=info.threshold.value)


def _seen(released: Released, test: "pd.DataFrame", folder: Path) -> tuple[int | None, str]:
    """Count test subjects the released model was trained on: on those it has an advantage."""
    if TRAIN.as_posix() not in released.artifacts:
        return None, f"the release does not list {TRAIN}"
    copy = folder / "released_train.parquet"
    fetch(released, TRAIN, copy)
    return count_seen(read_table(copy), test)


def count_seen(train: "pd.DataFrame", test: "pd.DataFrame") -> tuple[int | None, str]:
    """Count subjects of `test` that are in `train` too.

    A version that took keys for numbers wrote other names for the same people.

    Parameters
    ----------
    train, test : pandas.DataFrame
        Training data of the release, and the test split; both with the column ``subject_id``.

    Returns
    -------
    count : int or None
        Distinct subjects; None where nobody can tell.
    reason : str
        Why nobody can tell; empty otherwise.
    """
    keys = [name for name in test.columns if name != SUBJECT and name in train.columns
            and is_numeric(train, name) and not is_numeric(test, name)
            and (test[name] == test[SUBJECT]).all()]  # fmt: skip
    if keys:
        return None, f"the release's training data has numbers for keys ('{keys[0]}')"
    return len(set(train[SUBJECT]) & set(test[SUBJECT])), ""
