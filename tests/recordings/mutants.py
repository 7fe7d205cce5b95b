"""Mistakes that the tests must find: each is made in a copy of the project, and must fail a test.

``python -m tests.recordings.mutants [FILE…]`` tries all of them, or those of the named files, and
ends with 1 if one survives or its text is no longer found, with 2 if the tests fail without any.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 600
"""Seconds; a mutant with which the tests take longer than that is found out as well."""


@dataclass(frozen=True)
class Mutant:
    """A mistake.

    Attributes
    ----------
    file
        Relative to the project.
    text
        Stands in the file exactly once.
    instead
        What the mistake makes of it.
    tests
        Files of which one must fail.
    """

    file: str
    text: str
    instead: str
    tests: tuple[str, ...]


def _of(file: str, *tests: str, **changes: tuple[str, str]) -> list[Mutant]:
    paths = tuple(f"tests/unit/{test}.py" for test in tests)
    return [Mutant(file, text, instead, paths) for text, instead in changes.values()]


MUTANTS: list[Mutant] = [
    *_of(
        "pipelines/core/files.py",
        "core/test_files_are_whole_or_absent",
        not_a_number_is_written=("allow_nan=False", "allow_nan=True"),
        a_failed_append_leaves_a_part=("            os.ftruncate(handle, size)\n", ""),
    ),
    *_of(
        "pipelines/core/locks.py",
        "core/test_locks_end_with_their_process",
        two_hold_one_lock=("fcntl.LOCK_EX", "fcntl.LOCK_SH"),
    ),
    *_of(
        "pipelines/core/git.py",
        "core/test_git_looks_where_it_is_told",
        git_is_sent_elsewhere=(
            'if not key.startswith("GIT_") or key.startswith(_KEPT)',
            "if key",
        ),
    ),
    *_of(
        "pipelines/core/time.py",
        "core/test_durations",
        no_time_is_nothing=('or "0s"', 'or ""'),
    ),
    *_of(
        "pipelines/core/project.py",
        "core/test_the_project_is_found",
        the_files_own_is_not_looked_for=(
            "    around = _project_around(file)",
            "    around = None",
        ),
    ),
    *_of(
        "pipelines/release/gating.py",
        "release/gating/test_verdicts",
        no_evidence_passes=(
            '    if figure is None:\n        return "fail"\n',
            '    if figure is None:\n        return "pass"\n',
        ),
        a_straddling_interval_passes=(
            "all_keep=seen.low >= check.threshold",
            "all_keep=seen.high >= check.threshold",
        ),
        nothing_passed_is_approved=(
            'if worst == "approve" and all(',
            'if worst == "approve" and not all(',
        ),
    ),
    *_of(
        "pipelines/release/approval.py",
        "release/approval/test_policy",
        anybody_approves=("if answer.who not in params.approvers", "if not answer.who"),
        silence_approves=("    if timed_out:\n", "    if timed_out and not given:\n"),
        the_demo_policy_takes_other_data=("    if not demo:\n", "    if not demo and hindrance:\n"),
    ),
    *_of(
        "pipelines/release/ledger/verify.py",
        "release/ledger/test_every_change_is_found",
        changed_content_holds=("if hash_of(dict(entry)) != entry.hash:", "if not entry.hash:"),
        a_moved_entry_holds=("if entry.previous != self.head:", "if not entry.previous:"),
        a_wrong_signature_holds=("        signer.check(entry)\n", ""),
    ),
    *_of(
        "pipelines/release/lifecycle/rollback.py",
        "release/lifecycle/test_rollback",
        erased_data_comes_back=(
            'if removal.get("action") in ("removed", "rewritten")',
            'if removal.get("action") == "rewritten"',
        ),
    ),
    *_of(
        "pipelines/mlops/split.py",
        "mlops/split/test_split_is_stable_and_separate",
        the_salt_is_left_out=('f"{salt}\\0{subject}"', 'f"{subject}"'),
        a_subject_in_two_parts=(
            "(positions >= first) & (positions < second)",
            "positions < second",
        ),
    ),
    *_of(
        "pipelines/mlops/fairness/significance.py",
        "mlops/fairness/test_significance",
        uncorrected_p_values=(
            "adjusted = holm([test.fisher_p for test in tests])",
            "adjusted = [test.fisher_p for test in tests]",
        ),
    ),
    *_of(
        "pipelines/core/stats.py",
        "core/test_stats",
        "mlops/fairness/test_intervals",
        an_interval_that_is_too_narrow=(
            "z * z / (4 * total * total)",
            "z * z / (8 * total * total)",
        ),
        newcombes_limits_swapped=(
            "np.hypot(a - np.asarray(a_limits[0]), np.asarray(b_limits[1]) - b)",
            "np.hypot(np.asarray(a_limits[1]) - a, b - np.asarray(b_limits[0]))",
        ),
    ),
    *_of(
        "pipelines/mlops/modeling/threshold.py",
        "mlops/modeling/test_threshold",
        equal_scores_are_parted=(
            "np.append(sorted_scores[1:] != sorted_scores[:-1], True)",
            "np.ones(len(sorted_scores), dtype=bool)",
        ),
        missed_rows_cost_nothing=("params.cost_false_negative * missed", "0 * missed"),
    ),
    *_of(
        "pipelines/core/keyed_hash.py",
        "mlops/privacy/test_subjects_have_keyed_names",
        a_hash_without_a_key=("hmac.new(key, text", 'hmac.new(b"", subject_id'),
    ),
    *_of(
        "pipelines/aiops/alerting/replay/notification_log.py",
        "aiops/alerting/replay/test_replay_equals_event_loop",
        the_log_keeps_entries_for_ever=(
            "life = np.minimum(timing.retention, 2 * repeat)",
            "life = 2 * repeat",
        ),
    ),
    *_of(
        "pipelines/aiops/alerting/replay/flushes.py",
        "aiops/alerting/replay/test_replay_equals_event_loop",
        an_alert_that_came_back_is_resolved=(
            "(members.seen[after] <= members.gone[here])",
            "(members.seen[after] < members.gone[here])",
        ),
    ),
    *_of(
        "pipelines/aiops/alerting/config/matching.py",
        "aiops/alerting/config/test_alertmanager_yml_is_read_or_refused",
        digits_of_any_script=(
            're.compile(f"(?:{translated})", re.ASCII)',
            "re.compile(translated)",
        ),
    ),
    *_of(
        "pipelines/aiops/alerting/remediation/limits.py",
        "aiops/alerting/remediation/test_success_is_measured_against_doing_nothing",
        ended_alerts_are_fixed=("(frame.ends > now)", "(frame.ends > 0)"),
    ),
    *_of(
        "pipelines/aiops/incidents/deduplication.py",
        "aiops/incidents/test_findings_merge",
        findings_far_apart_are_one=("> _gap(finding)", "> 9 * _gap(finding)"),
    ),
    *_of(
        "pipelines/aiops/incidents/deduplication.py",
        "aiops/incidents/test_usual_alerts",
        a_wrong_chance=("(count + 0.5) / (known + 1)", "(count + 1) / (known + 1)"),
    ),
    *_of(
        "pipelines/aiops/metrics/scoring.py",
        "aiops/metrics/test_scores_depend_on_the_past_only",
        the_level_looks_ahead=(
            "delayed(moving_median(values, settings.smooth), 1)",
            "np.roll(moving_median(values, settings.smooth), -1)",
        ),
    ),
    *_of(
        "pipelines/aiops/service_map/pairing.py",
        "aiops/service_map/test_spans_are_paired_to_calls",
        a_loop_is_a_call=("wrong = (\n        'pid = id OR (", "wrong = (\n        '("),
        half_a_shared_span_is_enough=(
            "HAVING caller IS NOT NULL AND callee IS NOT NULL",
            "HAVING caller IS NOT NULL",
        ),
    ),
    *_of(
        "plugins/dvc_airflow/graph/edges.py",
        "dvc_airflow/test_graph_equals_dvc",
        a_made_parameter_file_is_no_edge=(", *stage.params]", "]"),
        what_lies_inside_is_no_edge=(
            "                    yield below\n",
            "                    pass\n",
        ),
    ),
    *_of(
        "plugins/dvc_airflow/naming.py",
        "dvc_airflow/test_task_ids",
        two_stages_are_one_task=("if task_id in owners:", "if not task_id:"),
    ),
    *_of(
        "plugins/dvc_airflow/grouping.py",
        "dvc_airflow/test_grouping",
        a_group_waits_for_itself=("update(needed - {unit})", "update(needed)"),
    ),
    *_of(
        "plugins/signalbox_airflow/listener.py",
        "signalbox_airflow/test_airflow_failures_are_recorded",
        every_success_is_told=(
            'if state == "success" and not mark.exists():',
            'if state == "success" and not folder:',
        ),
    ),
    *_of(
        "plugins/signalbox_airflow/analysis_work.py",
        "signalbox_airflow/test_old_incidents_are_not_sent",
        a_backfill_wakes_people=("if datetime.now(UTC) - at.end > OLD:", "if at.end > at.end:"),
    ),
    *_of(
        "plugins/signalbox_airflow/analysis.py",
        "signalbox_airflow/test_dags_of_analysis_are_read_cheaply",
        a_schedule_without_windows=('schedule in {"@once", "@continuous"}', "not schedule"),
    ),
    *_of(
        "plugins/signalbox_airflow/analysis_pages.py",
        "signalbox_airflow/test_pages_of_windows",
        any_file_is_a_page=("if page not in pages:", "if not page:"),
    ),
]


def main(files: Sequence[str]) -> int:
    """Try the mutants of some files, or all; print what became of each."""
    chosen = [mutant for mutant in MUTANTS if not files or mutant.file in files]
    survived = 0
    with tempfile.TemporaryDirectory(prefix="signalbox-mutants-") as folder:
        copy = Path(folder).resolve()
        _copy(copy)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        if _run(copy, tests) != 0:
            print("the tests fail without any mutant; run them first:", *tests)
            return 2
        for mutant in chosen:
            began = time.monotonic()
            fate = _try(copy, mutant)
            survived += fate != "killed"
            what = f"{mutant.file}: {mutant.text.strip()!r} → {mutant.instead.strip()!r}"
            print(f"{fate} ({time.monotonic() - began:.0f} s): {what}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} mutants killed")
    return int(survived > 0)


def _copy(target: Path) -> None:
    """Copy what git tracks, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def _try(copy: Path, mutant: Mutant) -> str:
    path = copy / mutant.file
    before = path.read_text(encoding="utf-8")
    if before.count(mutant.text) != 1:
        return f"text found {before.count(mutant.text)} times"
    try:
        _write(path, before.replace(mutant.text, mutant.instead))
        code = _run(copy, mutant.tests)
    finally:
        _write(path, before)
    return {0: "SURVIVED", 1: "killed"}.get(code, f"not run: pytest ended with {code}")


def _write(path: Path, text: str) -> None:
    """Write a module; its byte code might be of the same second and size."""
    path.write_text(text, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def _run(copy: Path, tests: Sequence[str]) -> int:
    """Exit code of pytest: 0 all pass, 1 one failed (or took too long)."""
    paths = os.pathsep.join([str(copy), str(copy / "plugins")])
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        return subprocess.run(
            command, cwd=copy, env={**os.environ, "PYTHONPATH": paths}, timeout=LONGEST,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
