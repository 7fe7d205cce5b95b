"""The one place where stage addresses become Airflow task ids."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from dvc_airflow.errors import NamingError


def task_id_of(address: str) -> str:
    """Return the Airflow task id of a stage.

    The stage's own name where Airflow allows it, so that a stage has one name
    everywhere. ``@`` (foreach, matrix) becomes ``__``; the directory of a dvc.yaml that
    is not in the root goes in front, with dots; anything else Airflow refuses becomes
    ``_``.

    Examples
    --------
    >>> task_id_of("train")
    'train'
    >>> task_id_of("train@large-0.1")
    'train__large-0.1'
    >>> task_id_of("models/fraud/dvc.yaml:train")
    'models.fraud.train'
    """
    file, _, name = address.partition(":") if "dvc.yaml:" in address else ("", "", address)
    folder = posixpath.dirname(file).replace("/", ".")
    text = f"{folder}.{name}" if folder else name
    return re.sub(r"[^\w.-]", "_", text.replace("@", "__"))


def task_ids(addresses: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """Task ids by address; two stages with the same id are refused, not renamed.

    Parameters
    ----------
    addresses : iterable of str
        Stages (or groups of stages).
    reserved : iterable of str
        Ids that are taken.
    """
    owners: dict[str, str] = dict.fromkeys(reserved, "the bridge itself")
    ids: dict[str, str] = {}
    for address in addresses:
        task_id = task_id_of(address)
        if task_id in owners:
            msg = (
                f"stage {address!r} and {owners[task_id]!r} would both be the Airflow task "
                f"{task_id!r}; rename one of them in dvc.yaml"
            )
            raise NamingError(msg)
        owners[task_id] = address
        ids[address] = task_id
    return ids


def address_of(task_id: str, ids: Mapping[str, str]) -> str | None:
    """Return the stage behind a task id."""
    return next((address for address, known in ids.items() if known == task_id), None)
