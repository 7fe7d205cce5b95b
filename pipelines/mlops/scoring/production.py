"""The model that may score: the released one, by commit and by hash."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.artifacts import MODEL, MODEL_INFO, PARAMS, RELEASED, TRAIN
from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, git_bytes
from pipelines.core.params import Params, load_params
from pipelines.core.tables import read_table
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.store import load_model
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import production
from pipelines.release.lifecycle.rollback import took_data
from pipelines.release.released import Released, fetch, read_released

if TYPE_CHECKING:
    import pandas as pd


def why_no_train(released: Released, project: Path) -> str:
    """Say why a release's training data is gone for good.

    Data that is gone for another reason (an emptied cache, a remote that doesn't answer) is no
    erasure: whoever asks for it gets the error.

    Parameters
    ----------
    released : Released
        The release.
    project : pathlib.Path
        The project's root, with ledger and pointer.

    Returns
    -------
    str
        The erasure that took it; empty if the data should be there.
    """
    proof = took_data(Ledger.of(project).entries(), released.commit)
    if proof is not None:
        return f"the training data of {released.name} was erased (entry {proof.seq} of the ledger)"
    if _is_shortened(released, project / RELEASED):
        return f"{RELEASED} no longer lists the training data of {released.name}: it was erased"
    return ""


def _is_shortened(released: Released, path: Path) -> bool:
    pointer = read_released(path) if path.exists() else None
    return (
        pointer is not None
        and (pointer.name, pointer.commit) == (released.name, released.commit)
        and TRAIN.as_posix() in released.artifacts
        and TRAIN.as_posix() not in pointer.artifacts
    )


PRODUCT = "model_release"


@dataclass(frozen=True)
class ReleasedModel:
    """A release, loaded.

    Attributes
    ----------
    released : Released
        Its name, commit and hashes.
    model : estimator
        With ``predict_proba``; use `modeling.scoring.score` to call it.
    info : ModelInfo
        The model's description.
    params : Params
        ``params.yaml`` as it stood in the release's commit: what its columns mean is a fact of
        the release and not of today's work tree.
    train : pandas.DataFrame or None
        Its training data; None if it wasn't asked for or was erased.
    no_train : str
        Why it can't be had any more; empty unless it was erased.
    """

    released: Released
    model: Any
    info: ModelInfo
    params: Params
    train: "pd.DataFrame | None"
    no_train: str = ""


def in_production(project: Path, product: str = PRODUCT) -> Released:
    """Return the model in production: registry and ledger name its commit and its hashes.

    Parameters
    ----------
    project : pathlib.Path
        The project's root.
    product : str, default="model_release"
        Product whose model is asked for.

    Returns
    -------
    Released

    Raises
    ------
    SignalboxError
        If there is none, or registry and ledger don't say the same.
    """
    released = production(project, product)
    if released is None:
        raise SignalboxError(
            f"no model in production: nothing of {product} has been released yet; run the DAG "
            f"{product} and release what it approves"
        )
    return released


def load_released(released: Released, project: Path, *, with_train: bool) -> ReleasedModel:
    """Fetch a release's files from DVC and load its model.

    Training data that an erasure took is left out, and the result says so.

    Parameters
    ----------
    released : Released
        The release.
    project : pathlib.Path
        The project's root.
    with_train : bool
        Whether to load the training data too.

    Returns
    -------
    ReleasedModel

    Raises
    ------
    SignalboxError
        If the release doesn't list a file, a file's hash isn't the release's, or the model and
        its description don't belong together: such a model scores nobody.
    """
    params = released_params(released, project)
    no_train = why_no_train(released, project) if with_train else ""
    with_train = with_train and not no_train
    with tempfile.TemporaryDirectory() as folder:
        copies = {path: Path(folder) / path.name for path in (MODEL, MODEL_INFO)}
        if with_train:
            copies[TRAIN] = Path(folder) / TRAIN.name
        for path, copy in copies.items():
            fetch(released, path, copy, project=project)
        model, info = load_model(copies[MODEL], copies[MODEL_INFO])
        train = read_table(copies[TRAIN]) if with_train else None
    return ReleasedModel(released, model, info, params, train, no_train)


def released_params(released: Released, project: Path) -> Params:
    """Read ``params.yaml`` of the release's commit.

    Parameters
    ----------
    released : Released
        The release.
    project : pathlib.Path
        The project's root, a Git repository.

    Returns
    -------
    Params

    Raises
    ------
    SignalboxError
        If Git doesn't have the commit or the file, or a parameter is wrong.
    """
    try:
        content = git_bytes(project, "show", f"{released.commit}:{PARAMS.as_posix()}")
    except GitError as error:
        raise SignalboxError(
            f"release {released.name}: {PARAMS} of commit {released.commit[:12]} cannot be read: "
            f"{' '.join(error.said.split())}; try 'git fetch'"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PARAMS.name
        copy.write_bytes(content)
        return load_params(copy)
