"""``python -m benchmarks.metrics``: what other programs score."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.metrics import main
from tests.unit.aiops.metrics.series import noise

STEP = 60
SPIKE = 900


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    values = noise(2, 4)
    values[0, SPIKE : SPIKE + 5] += 40
    for name, course in zip(("a", "b"), values, strict=True):
        rows = ["timestamp,value,label"]
        rows += [f"{1000 + STEP * i},{v},{i % 2}" for i, v in enumerate(course)]
        rows[300] = f"{1000 + STEP * 299},,0"
        text = "\n".join([*rows, ""])
        if name == "a":
            (data / "a.csv").write_text(text)
        else:
            (data / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert main(["--data", str(data), "--out", str(out)]) == 0
    return data, out


def test_each_row_has_a_score(folders: tuple[Path, Path]) -> None:
    data, out = folders
    stamps = [row["timestamp"] for row in rows_of(data / "a.csv")]
    rows = rows_of(out / "scores" / "a.csv")
    assert [row["timestamp"] for row in rows] == stamps
    scores = np.array([float(row["score"]) for row in rows])
    assert SPIKE <= scores.argmax() < SPIKE + 12
    assert scores[299] == 0


def test_findings_say_what_is_told(folders: tuple[Path, Path]) -> None:
    rows = rows_of(folders[1] / "findings.csv")
    assert list(rows[0]) == ["name", "start", "end", "kind", "score", "told"]
    told = [row for row in rows if row["told"] == "1"]
    assert [(row["name"], row["start"]) for row in told] == [
        ("a", str(1000 // 60 * 60 + SPIKE * 60))
    ]
    assert told[0]["end"] == str(1000 // 60 * 60 + (SPIKE + 4) * 60)
