import os
from pathlib import Path

import pytest
import skops.io
from sklearn.linear_model import SGDClassifier

from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.modeling.store import load_model, save_model


class Evil:
    """Says so when it is constructed."""

    def __setstate__(self, state: object) -> None:
        Path("constructed").touch()


def _swap(path: Path, description: Path, info, content: bytes) -> None:
    path.write_bytes(content)
    changed = info.model_copy(update={"sha256": sha256_file(path)})
    description.write_text(changed.model_dump_json())


def test_a_saved_model_scores_as_before(saved, fitted, table) -> None:
    model, info = load_model(*saved[:2])
    frame = table(50, 9)
    expected = score(fitted.model, fitted.info, frame)
    assert score(model, info, frame).tolist() == expected.tolist()


def test_a_swapped_model_is_refused(saved) -> None:
    saved[0].write_bytes(skops.io.dumps(SGDClassifier()))
    with pytest.raises(SignalboxError, match=r"model\.skops: not the model that .* describes"):
        load_model(*saved[:2])


def test_one_flipped_byte_is_noticed(saved) -> None:
    content = bytearray(saved[0].read_bytes())
    content[len(content) // 2] ^= 1
    saved[0].write_bytes(bytes(content))
    with pytest.raises(SignalboxError, match="swapped or damaged"):
        load_model(*saved[:2])


def test_an_untrusted_type_is_named_and_not_constructed(saved, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = Evil()
    evil.content = 1
    _swap(*saved, skops.io.dumps({"model": evil}))
    with pytest.raises(SignalboxError, match=r"test_store\.Evil"):
        load_model(*saved[:2])
    assert not Path("constructed").exists()


def test_an_estimator_skops_trusts_but_signalbox_never_trains_is_refused(saved) -> None:
    _swap(*saved, skops.io.dumps(SGDClassifier()))
    with pytest.raises(SignalboxError, match="SGDClassifier"):
        load_model(*saved[:2])


def test_a_function_is_refused(saved) -> None:
    _swap(*saved, skops.io.dumps([os.system]))
    with pytest.raises(SignalboxError, match="system"):
        load_model(*saved[:2])


def test_a_file_that_is_no_archive_is_refused(saved) -> None:
    _swap(*saved, b"not a zip")
    with pytest.raises(SignalboxError, match="not a model file"):
        load_model(*saved[:2])


def test_another_minor_version_is_refused(saved) -> None:
    info = saved[2].model_copy(update={"versions": {"scikit-learn": "0.1.0", "skops": "0.16"}})
    saved[1].write_text(info.model_dump_json())
    with pytest.raises(SignalboxError, match=r"saved with scikit-learn 0\.1\.0"):
        load_model(*saved[:2])


def test_missing_files_are_named(tmp_path) -> None:
    with pytest.raises(SignalboxError, match=r"model\.json: no such file"):
        load_model(tmp_path / "model.skops", tmp_path / "model.json")


def test_a_damaged_description_is_named(saved) -> None:
    saved[1].write_text('{"sha256": 3}')
    with pytest.raises(SignalboxError, match="not a model description"):
        load_model(*saved[:2])


def test_saving_a_type_that_could_not_be_loaded_is_a_defect(tmp_path) -> None:
    with pytest.raises(RuntimeError, match="SGDClassifier"):
        save_model(tmp_path / "x.skops", SGDClassifier())
    assert not (tmp_path / "x.skops").exists()
