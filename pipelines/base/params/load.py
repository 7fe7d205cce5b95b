"""Load ``params.yaml``, and say precisely what is wrong with it."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from pipelines.base.artifacts import PARAMS
from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import DataParams
from pipelines.base.params.gate import GateParams, ReportParams
from pipelines.base.params.model import Section
from pipelines.base.params.stages import (
    BiasAuditParams,
    DriftParams,
    EvaluateParams,
    SplitParams,
    TrainParams,
    ValidateParams,
)
from pipelines.base.settings import check, read_mapping

AnySection = TypeVar("AnySection", bound=Section)


class Params(Section):
    """All of ``params.yaml``; a section is named like the stage that reads it."""

    data: DataParams
    validation: ValidateParams = Field(alias="validate")
    split: SplitParams
    train: TrainParams
    evaluate: EvaluateParams
    bias_audit: BiasAuditParams
    drift: DriftParams
    gate: GateParams
    report: ReportParams
    aiops: dict[str, Any] = Field(default_factory=dict)
    """What the alert rules' stages read; they check it themselves, with `load_section`."""

    def of_model(self) -> dict[str, Any]:
        """Return what the stages of a model's release read, as plain data."""
        return self.model_dump(mode="json", by_alias=True, exclude={"aiops"})


def load_params(path: Path = PARAMS) -> Params:
    """Load and check ``params.yaml``.

    Parameters
    ----------
    path
        The file; the default is the project's own.

    Returns
    -------
    Params
        Every value typed and within its range.

    Raises
    ------
    SignalboxError
        One line a problem: the key's path, the value found, what is allowed.
    """
    return check(path, _read(path), Params)


def load_section(name: str, model: type[AnySection], path: Path = PARAMS) -> AnySection:
    """Load and check one section of ``params.yaml``, whatever the others say.

    Parameters
    ----------
    name
        The section, for example ``aiops``.
    model
        Its type; a section that isn't there gives the defaults.
    path
        The file; the default is the project's own.

    Raises
    ------
    SignalboxError
        As `load_params`; keys begin with the section's name.
    """
    raw = _read(path).get(name)
    return check(path, {} if raw is None else raw, model, name)


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = read_mapping(path)
    except FileNotFoundError:
        raise SignalboxError(f"{path}: no such file; start in the project's root") from None
    if raw is None:
        raise SignalboxError(f"{path}: must be a mapping of sections, found NoneType")
    return raw
