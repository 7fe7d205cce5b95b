"""Batch scoring against the bare ``predict_proba`` of the same model.

``python -m benchmarks.scoring [--rows N]`` prints readable lines, then one line of JSON.

The model is the kind that wins on UCI Adult, fitted on the sample in this repository; rows are the
sample's, repeated. Bare: ``predict_proba`` on a frame in memory that has the model's form already.
Batch: from a file (CSV and Parquet) to predictions and what was scored, both in Parquet, with
typing, checks, hashes and record; with 0 and with 3 reason codes a row.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import sklearn

from pipelines.core.params import HistGradientBoostingGrid, Models, Params, load_params
from pipelines.mlops.data.sources import read_source
from pipelines.mlops.data.table import name_rows, typed
from pipelines.mlops.modeling.inputs import prepare
from pipelines.mlops.modeling.scoring import one_thread
from pipelines.mlops.modeling.store import load_model, save_model
from pipelines.mlops.modeling.training import fit
from pipelines.mlops.scoring.batch import Batch, score_table
from pipelines.mlops.scoring.production import ReleasedModel
from pipelines.release.released import Released

ROWS = 100_000
REASONS = 3


def sample(params: Params) -> pd.DataFrame:
    source, _ = read_source(params.data)
    return name_rows(typed(source, params.data), params.data)


def released(params: Params, rows: pd.DataFrame, folder: Path) -> ReleasedModel:
    half = len(rows) // 2
    grid = HistGradientBoostingGrid(max_iter=[100], max_leaf_nodes=[15])
    train = params.train.model_copy(update={"models": Models(hist_gradient_boosting=grid)})
    table = rows.iloc[:half]
    made = fit(table, rows.iloc[half:], params.data, train)
    path = folder / "model.skops"
    info = made.info.model_copy(update={"sha256": save_model(path, made.model)})
    (folder / "model.json").write_text(info.model_dump_json())
    model, info = load_model(path, folder / "model.json")
    pointer = Released(name="bench@v1.0.0", commit="0" * 40, artifacts={})
    return ReleasedModel(pointer, model, info, params, table)


def to_score(rows: pd.DataFrame, count: int, params: Params) -> pd.DataFrame:
    """Rows as a file to score has them: without the label, with a key."""
    table = pd.concat([rows] * (count // len(rows) + 1), ignore_index=True).head(count)
    own = ["subject_id", "row_id", "unreadable", params.data.target]
    return table.drop(columns=own).assign(person=[f"p{i}" for i in range(count)])


def keyed(release: ReleasedModel, key: str | None) -> ReleasedModel:
    """Let a release's subjects be named by `key`, or by the content of their rows."""
    data = release.params.data.model_copy(update={"subject_key": key})
    return replace(release, params=release.params.model_copy(update={"data": data}))


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        # CPU time: all of it is one thread, and other programs on the machine don't count.
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def compare(rows: int, folder: Path) -> dict[str, float]:
    params = load_params()
    people = sample(params)
    release = released(params, people, folder)
    table = to_score(people, rows, params)
    table.to_parquet(folder / "in.parquet")
    table.fillna("?").to_csv(folder / "in.csv", index=False)
    prepared = prepare(table, release.info.inputs)
    source = params.data.source.model_copy(update={"columns": []})
    data = params.data.model_copy(update={"source": source})
    release = replace(release, params=params.model_copy(update={"data": data}))

    def bare() -> None:
        with one_thread():
            release.model.predict_proba(prepared)

    def batch(file: str, reasons: int, key: str | None = "person") -> Callable[[], None]:
        def work() -> None:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                name = Batch(str(folder / file), "b", Path(out), "2026-01-01T00:00:00+00:00")
                score_table(name, keyed(release, key), reasons=reasons)

        return work

    return {
        "rows": rows,
        "inputs": len(release.info.inputs),
        "bare_s": seconds(bare),
        "parquet_s": seconds(batch("in.parquet", 0)),
        "csv_s": seconds(batch("in.csv", 0)),
        "content_keys_s": seconds(batch("in.parquet", 0, None)),
        "reasons_s": seconds(batch("in.parquet", REASONS)),
    }


def memory(rows: int, folder: Path) -> float:
    """Peak MiB of a process that scores that many rows from a file and does nothing else."""
    code = f"from benchmarks.scoring import peak; print(peak({rows}, {str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def peak(rows: int, name: str) -> float:
    folder = Path(name)
    params = load_params()
    model, info = load_model(folder / "model.skops", folder / "model.json")
    pointer = Released(name="bench@v1.0.0", commit="0" * 40, artifacts={})
    source = params.data.source.model_copy(update={"columns": []})
    data = params.data.model_copy(update={"source": source})
    release = ReleasedModel(
        pointer, model, info, params.model_copy(update={"data": data}), train=None
    )
    header, *lines = (folder / "in.csv").read_text().splitlines(keepends=True)[: ROWS // 10 + 1]
    with (folder / "large.csv").open("w") as stream:
        stream.write(header)
        for _ in range(rows // len(lines)):
            stream.writelines(lines)
    batch = Batch(str(folder / "large.csv"), f"b{rows}", folder, "2026-01-01T00:00:00+00:00")
    score_table(batch, keyed(release, "person"), reasons=0)
    # Not getrusage: its peak is inherited from the parent process.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def show(found: dict[str, float]) -> None:
    rows, bare = found["rows"], found["bare_s"]
    print(f"{rows:,} rows, {found['inputs']} inputs, CPU time of one thread")
    lines = {
        "bare predict_proba, frame in memory": "bare_s",
        "batch scoring, Parquet to Parquet": "parquet_s",
        "batch scoring, CSV to Parquet": "csv_s",
        "from Parquet, subjects named by content": "content_keys_s",
        f"from Parquet, {REASONS} reasons a row": "reasons_s",
    }
    for label, key in lines.items():
        each, ratio = rows / found[key], found[key] / bare
        print(f"  {label:<44}{found[key]:8.2f} s {each:>12,.0f} rows/s {ratio:8.2f} x bare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = compare(options.rows, Path(folder))
        show(found)
        small, large = memory(ROWS, Path(folder)), memory(5 * ROWS, Path(folder))
    print(f"  peak memory: {ROWS:,} rows {small:.0f} MiB, {5 * ROWS:,} rows {large:.0f} MiB")
    print(
        json.dumps(
            {
                "benchmark": "scoring",
                "python": platform.python_version(),
                "sklearn": sklearn.__version__,
                **found,
                **{
                    f"ratio_{key.removesuffix('_s')}": found[key] / found["bare_s"]
                    for key in ("parquet_s", "csv_s", "content_keys_s", "reasons_s")
                },
                "peak_mib": {str(ROWS): small, str(5 * ROWS): large},
            }
        )
    )


if __name__ == "__main__":
    main()
