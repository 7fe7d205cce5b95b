"""Save and load models, without pickle, and only of types on a fixed list.

Skops names arrays and nodes after their address in memory and stamps the archive with the time.
Both say nothing about the model, and change from process to process. Here they are replaced:
addresses by numbers in order of first appearance, time stamps by a constant.
"""

import io
import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file, write_bytes
from pipelines.mlops.modeling.info import ModelInfo, read_info

SCHEMA = "schema.json"
_ARRAY = re.compile(r"^(\d+)(\.\w+)$")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can hold."""


def canonical(archive: bytes) -> bytes:
    """Rewrite a skops archive so that it depends on the model alone.

    Parameters
    ----------
    archive : bytes
        What ``skops.io.dumps`` returned.

    Returns
    -------
    bytes
        An archive that skops loads into the same object. Members are stored uncompressed: what a
        compressor makes of them depends on its version.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    numbers: dict[str, int] = {}
    schema = _renumber(json.loads(members.pop(SCHEMA)), numbers)
    named = sorted((_array_number(name, numbers), name) for name in members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        _add(target, SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
        for _, name in named:
            _add(target, _renamed(name, numbers), members[name])
    return buffer.getvalue()


def _renumber(node: Any, numbers: dict[str, int]) -> Any:
    """Replace every address in the tree, in the order in which a reader meets them."""
    if isinstance(node, dict):
        return {key: _value(key, value, numbers) for key, value in node.items()}
    if isinstance(node, list):
        return [_renumber(item, numbers) for item in node]
    return node


def _value(key: str, value: Any, numbers: dict[str, int]) -> Any:
    if key == "__id__":
        return _number(str(value), numbers)
    if key == "file" and isinstance(value, str):
        return _renamed(value, numbers)
    return _renumber(value, numbers)


def _number(address: str, numbers: dict[str, int]) -> int:
    return numbers.setdefault(address, len(numbers) + 1)


def _renamed(name: str, numbers: dict[str, int]) -> str:
    match = _ARRAY.match(name)
    return f"{_number(match[1], numbers)}{match[2]}" if match else name


def _array_number(name: str, numbers: dict[str, int]) -> int:
    match = _ARRAY.match(name)
    return _number(match[1], numbers) if match else 0


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.create_system = 3  # else the platform that writes shows in the bytes
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, content)


def types_in(archive: bytes) -> set[str]:
    """List full names of all types and functions that loading an archive would construct or call.

    Parameters
    ----------
    archive : bytes
        A skops archive.

    Returns
    -------
    set of str
        Such as ``sklearn.pipeline.Pipeline``.

    Raises
    ------
    ValueError, KeyError, zipfile.BadZipFile
        If it isn't a skops archive.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        schema = json.loads(source.read(SCHEMA))
    found: set[str] = set()
    _collect(schema, found)
    return found


def _collect(node: Any, found: set[str]) -> None:
    if isinstance(node, dict):
        # Skops resolves names from these two keys, and for functions and methods from "content".
        module = node.get("__module__", node.get("module_path"))
        name = node.get("__class__", node.get("function"))
        if module is not None or name is not None:
            found.add(f"{module}.{name}")
        for value in node.values():
            _collect(value, found)
    elif isinstance(node, list):
        for value in node:
            _collect(value, found)


TRUSTED = frozenset(
    {
        "builtins.dict",
        "builtins.int",
        "builtins.list",
        "builtins.slice",
        "builtins.str",
        "builtins.tuple",
        "functools.partial",
        "numpy.dtype",
        "numpy.float64",
        "numpy.int32",
        "numpy.int64",
        "numpy.int8",
        "numpy.ndarray",
        "numpy.random._generator.Generator",
        "numpy.uint64",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.isotonic.IsotonicRegression",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._encoders.OrdinalEncoder",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
    }
)
"""Everything a model file may construct or call: what the pipelines of this package consist of."""

PACKAGES = ("scikit-learn", "skops")
"""Their minor versions must agree between saving and loading."""


def versions() -> dict[str, str]:
    """Return the versions of the packages that a model file depends on.

    Returns
    -------
    dict of str to str
        Package → installed version, for each of `PACKAGES`.
    """
    from importlib.metadata import version

    return {name: version(name) for name in PACKAGES}


def save_model(path: Path, model: Any) -> str:
    """Write a model to a file.

    Equal models give equal bytes, in every process.

    Parameters
    ----------
    path : pathlib.Path
        File to write, whole or not at all.
    model : estimator
        As `search.fit_final` returns it.

    Returns
    -------
    str
        SHA-256 of the file, in hexadecimal.

    Raises
    ------
    RuntimeError
        If the model holds a type that `load_model` would refuse: a defect of this package.
    """
    import skops.io

    content = canonical(skops.io.dumps(model))
    strange = types_in(content) - TRUSTED
    if strange:
        raise RuntimeError(f"model types that are not on the trusted list: {sorted(strange)}")
    write_bytes(path, content)
    return sha256_file(path)


def load_model(model_path: Path, info_path: Path) -> tuple[Any, ModelInfo]:
    """Load a model and its description.

    The file's hash, its package versions and the types in it are checked before anything in it is
    constructed. The hash is the protection that counts: skops can tell that a tree is a tree, not
    that the tree's numbers are sound.

    Parameters
    ----------
    model_path : pathlib.Path
        The skops archive.
    info_path : pathlib.Path
        Its description, which names the archive's hash.

    Returns
    -------
    model : estimator
        With ``predict_proba``; use `scoring.score` to call it.
    info : ModelInfo

    Raises
    ------
    SignalboxError
        If a file is missing or damaged, belongs to another description, holds an untrusted type or
        was written by other versions.
    """
    info = read_info(info_path)
    _check_hash(model_path, info_path, info)
    _check_versions(info_path, info)
    _check_types(model_path)
    return _construct(model_path), info


def _check_hash(model_path: Path, info_path: Path, info: ModelInfo) -> None:
    if not model_path.is_file():
        raise SignalboxError(f"{model_path}: no such file; run the stage 'train'")
    found = sha256_file(model_path)
    if found != info.sha256:
        raise SignalboxError(
            f"{model_path}: not the model that {info_path} describes (SHA-256 {found[:12]}…, "
            f"expected {info.sha256[:12]}…): swapped or damaged; restore it with 'dvc checkout "
            f"{model_path}' or run the stage 'train'"
        )


def _check_versions(info_path: Path, info: ModelInfo) -> None:
    for name, now in versions().items():
        then = info.versions.get(name, "none")
        if then.split(".")[:2] != now.split(".")[:2]:
            raise SignalboxError(
                f"{info_path}: the model was saved with {name} {then}, installed is {now}; "
                "train it anew or use the environment it was trained in"
            )


def _check_types(model_path: Path) -> None:
    try:
        found = types_in(model_path.read_bytes())
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise SignalboxError(f"{model_path}: not a model file ({error})") from error
    strange = sorted(found - TRUSTED)
    if strange:
        raise SignalboxError(
            f"{model_path}: holds types that no model of Signalbox has: {', '.join(strange)}; "
            "not loaded; find out where the file comes from"
        )


def _construct(model_path: Path) -> Any:
    import skops.io
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        # A patch release apart; minor versions were compared above.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        try:
            return skops.io.load(model_path, trusted=sorted(TRUSTED))
        except Exception as error:  # whatever a damaged file makes skops raise
            raise SignalboxError(f"{model_path}: cannot be loaded ({error})") from error
