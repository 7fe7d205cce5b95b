"""Machines that share a DVC remote and a git origin, but no disk: a run is the same on any."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException

from dvc_airflow.errors import StageError, WorkspaceError
from dvc_airflow.runtime.collect import collect_results
from dvc_airflow.runtime.lockfile import collect_entries
from dvc_airflow.runtime.save import save_run
from dvc_airflow.runtime.workspace import Workspace, ensure_workspace
from tests.integration.dvc_airflow.conftest import Project
from tests.integration.dvc_airflow.worker_hosts import Hosts, HostsRun, clone

pytestmark = pytest.mark.slow

FILES = {
    "in.txt": "in",
    "dvc.yaml": """
        stages:
          a:
            cmd: mkdir a && cp in.txt a/x && date +%N > a/time
            deps: [in.txt]
            outs: [a]
          plain:
            cmd: mkdir plain && echo p > plain/file
            deps: [a]
            outs: [plain: {cache: false}]
          use: {cmd: cat plain/file > used.txt, deps: [plain], outs: [used.txt]}
          m:
            cmd: echo '{"v":1}' > m.json
            deps: [a]
            metrics: [m.json: {cache: false}]
          b: {cmd: cat a/x a/time m.json > b.txt, deps: [a, m.json], outs: [b.txt]}
        """,
}


@pytest.fixture
def machines(new_project, tmp_path):
    one = new_project(FILES, "one")
    one.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    one.commit()
    two = type(one)(tmp_path / "two")
    subprocess.run(["git", "clone", "-q", str(one.path), str(two.path)], check=True)
    return one, two


def elsewhere(opened, project, tmp_path):
    found, original = ensure_workspace(project.path, tmp_path / "runs-of-two", opened)
    assert not original
    return found


def test_a_stage_gets_what_it_needs_from_the_remote(machines, open_run, drive, tmp_path):
    one, two = machines
    opened = open_run(one)
    first = drive(opened.path, "a", transfer=True)
    made = Path(opened.path, "a", "time").read_text()
    there = elsewhere(opened, two, tmp_path)

    locks = collect_entries(first.results)
    middle = drive(there.path, "m", transfer=True, locks=locks)
    locks = collect_entries([*first.results, *middle.results])
    last = drive(there.path, "b", transfer=True, locks=locks)

    assert last.statuses == {"b": "ran"}
    assert Path(there.path, "b.txt").read_text() == f'in{made}{{"v":1}}\n'
    # and back again, on the first machine, which has not seen m and b
    shutil.rmtree(opened.root)
    again, _ = ensure_workspace(one.path, one.path / "runs", opened)
    locks = collect_entries([*first.results, *middle.results, *last.results])
    assert drive(again.path, "b", transfer=True, locks=locks).statuses == {"b": "unchanged"}
    assert Path(again.path, "b.txt").read_text() == f'in{made}{{"v":1}}\n'


def test_a_directory_that_dvc_does_not_cache_is_transferred_too(
    machines, open_run, drive, tmp_path
):
    one, two = machines
    opened = open_run(one)
    done = drive(opened.path, "a", "plain", transfer=True)
    there = elsewhere(opened, two, tmp_path)

    drive(there.path, "use", transfer=True, locks=collect_entries(done.results))

    assert Path(there.path, "used.txt").read_text() == "p\n"


def test_without_transfer_the_error_says_what_is_missing(machines, open_run, drive, tmp_path):
    one, two = machines
    opened = open_run(one)
    first = drive(opened.path, "a")
    there = elsewhere(opened, two, tmp_path)

    with pytest.raises(StageError, match=r"'a', which stage 'a' made.*transfer is off"):
        drive(there.path, "m", locks=collect_entries(first.results))


def test_a_workspace_made_again_gets_the_results_so_far(machines, open_run, drive):
    one, _ = machines
    opened = open_run(one)
    first = drive(opened.path, "a")
    made = Path(opened.path, "a", "time").read_text()
    shutil.rmtree(opened.root)
    again, original = ensure_workspace(one.path, one.path / "runs", opened)

    drive(again.path, "m", locks=collect_entries(first.results))

    assert not original
    assert Path(again.path, "a", "time").read_text() == made


def test_a_file_that_is_older_than_the_lock_entry_is_replaced(machines, open_run, drive):
    one, _ = machines
    opened = open_run(one)
    old = drive(opened.path, "a")
    new = drive(opened.path, "a", force=True)
    assert old.results[0]["lock"] != new.results[0]["lock"]
    wanted = Path(opened.path, "a", "time").read_text()
    drive(opened.path, "a", force=True)

    drive(opened.path, "m", locks=collect_entries(new.results))

    assert Path(opened.path, "a", "time").read_text() == wanted


PIPELINE = {
    "in.txt": "hello world\n",
    "params.yaml": "mul: 2\n",
    "dvc.yaml": """
        stages:
          prep:
            cmd: mkdir -p out && tr a-z A-Z < in.txt > out/up.txt
            deps: [in.txt]
            outs: [out/up.txt]
          parts:
            cmd: >-
              rm -rf parts plain && mkdir parts plain && cp out/up.txt parts/p
              && echo ${mul} > parts/q && echo ${mul} > plain/r
            deps: [out/up.txt]
            outs: [parts, plain: {cache: false}]
          count:
            cmd: cat parts/q plain/r > n.txt && wc -c < out/up.txt >> n.txt && echo ${mul} >> n.txt
            deps: [out/up.txt, parts, plain]
            outs: [n.txt]
          score:
            cmd: printf '{"n":%s}' $(tail -1 n.txt) > m.json
            deps: [n.txt]
            metrics: [m.json: {cache: false}]
          report:
            cmd: cat m.json n.txt > report.txt
            deps: [m.json, n.txt]
            outs: [report.txt]
        """,
}
STAGES = ("prep", "parts", "count", "score", "report")


@pytest.fixture(scope="module")
def ran_before(tmp_path_factory, empty_project):
    """Make a project that was run and committed with ``mul: 2``, and its DVC remote beside it."""
    folder = tmp_path_factory.mktemp("ran")
    project = Project(folder / "a")
    shutil.copytree(empty_project, project.path)
    project.write(PIPELINE)
    use_remote(project.path)
    project.commit("start")
    project.dvc("repro", "-q")
    project.commit("ran with mul 2")
    project.dvc("push", "-q")
    return folder


@pytest.fixture
def hosts(ran_before, tmp_path):
    """Three hosts, all of which know the run with ``mul: 2``."""
    for name in ("a", "store"):
        shutil.copytree(ran_before / name, tmp_path / name, symlinks=True)
    found = Hosts(tmp_path / "a")
    for path in found.project.values():
        use_remote(path)
    return found


def use_remote(project):
    """Name the remote where git does not see it, so that commits do not depend on its path."""
    store = project.parent / "store"
    text = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {store}\n"
    (project / ".dvc" / "config.local").write_text(text)


def on(pattern):
    """``"aba"``: the stages in turn on these hosts."""
    return {stage: pattern[i % len(pattern)] for i, stage in enumerate(STAGES)}


def tree(hosts, commit, host="a"):
    return hosts.git(host, "rev-parse", f"{commit}^{{tree}}")


@pytest.fixture(scope="module")
def alone(ran_before, tmp_path_factory):
    """Tree of the run with ``mul: 77`` that one host made alone."""
    folder = tmp_path_factory.mktemp("alone")
    for name in ("a", "store"):
        shutil.copytree(ran_before / name, folder / name, symlinks=True)
    use_remote(folder / "a")
    hosts = Hosts(folder / "a", "a", transfer=False)
    run = HostsRun(hosts, "a", "alone", {"mul": 77})
    run.stages(**on("a"))
    commit = run.save()
    assert run.show("m.json") == '{"n":77}'
    return tree(hosts, commit)


@pytest.mark.parametrize(
    ("pattern", "saver"), [("ab", "a"), ("ba", "a"), ("ba", "b"), ("abc", "c"), ("bbcca", "b")]
)
def test_wherever_stages_run_the_run_is_the_same(hosts, alone, pattern, saver):
    run = HostsRun(hosts, "a", "apart", {"mul": 77})
    run.stages(**on(pattern))
    commit = run.save(saver)
    assert run.show("m.json", saver) == '{"n":77}'
    assert tree(hosts, commit, saver) == alone


def test_who_brings_entries_only_where_he_is_told_to_gets_the_runs_results(hosts, drive, open_run):
    """The calls of an operator that trusts `ensure_workspace` (reproduction B01)."""
    project = type("P", (), {"path": hosts.project["a"]})
    opened = open_run(project, overrides={"mul": 77})
    results = []
    for number, stage in enumerate(STAGES):
        where = hosts.project["ab"[number % 2]]
        found, holds_all = ensure_workspace(where, where / "runs", opened)
        locks = {} if holds_all else collect_entries(results)
        results += drive(found.path, stage, locks=locks, transfer=True).results
    found, _ = ensure_workspace(hosts.project["a"], hosts.project["a"] / "runs", opened)
    saved = save_run(hosts.project["a"], found, results, complete=True)
    assert hosts.git("a", "show", f"{saved.ref}:m.json") == '{"n":77}'


def test_a_stage_that_nobody_told_of_its_upstream_is_refused(hosts, drive, open_run):
    project = type("P", (), {"path": hosts.project["a"]})
    opened = open_run(project, overrides={"mul": 77})
    drive(opened.path, "prep")
    with pytest.raises(StageError, match=r"'count' reads '.*' of stage 'parts'.*older run.*Clear"):
        drive(opened.path, "count")


def test_a_stage_that_failed_and_was_retried_elsewhere(hosts):
    breaking = hosts.project["a"] / "break"
    text = (hosts.project["a"] / "dvc.yaml").read_text()
    half = f"printf half > m.json && ! test -e {breaking} && printf"
    (hosts.project["a"] / "dvc.yaml").write_text(text.replace("cmd: printf", f"cmd: {half}"))
    hosts.git("a", "commit", "-qam", "score may break")
    for host in "bc":
        hosts.git(host, "pull", "-q")
    run = HostsRun(hosts, "a", conf={"mul": 77})
    run.stages(prep="a", parts="a", count="a")
    breaking.touch()
    with pytest.raises(StageError, match="exited with 1"):
        run.stages(score="a")
    breaking.unlink()
    run.stages(score="b", report="a")
    run.save()
    assert run.show("m.json") == '{"n":77}'


def test_a_stage_that_was_forced_again_elsewhere_is_what_counts(new_project, tmp_path):
    files = {
        "dvc.yaml": """
        stages:
          draw: {cmd: date +%N > n.txt, outs: [n.txt]}
          note:
            cmd: cp n.txt m.json
            deps: [n.txt]
            metrics: [m.json: {cache: false}]
        """
    }
    project = new_project(files, "a")
    project.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    project.commit("remote")
    hosts = Hosts(project.path, "ab")
    run = HostsRun(hosts)
    run.stages(draw="a", note="a")
    first = run.returned["note"]["stages"][0]["outs"][0]["hash"]
    run.execute("draw", "b", force=True)
    run.stages(note="a")
    second = run.returned["note"]["stages"][0]["outs"][0]["hash"]
    assert second == run.returned["draw"]["stages"][0]["outs"][0]["hash"] != first
    run.save()
    assert second == hashlib.md5(run.show("m.json").encode() + b"\n").hexdigest()


def test_the_same_run_on_a_fresh_clone_computes_nothing(hosts, tmp_path):
    run = HostsRun(hosts, "a", conf={"mul": 5})
    assert set(run.stages(**on("a")).values()) <= {"ran", "unchanged"}
    commit = run.save()
    hosts.project["d"] = clone(hosts.project["a"], tmp_path / "d")
    use_remote(tmp_path / "d")
    again = HostsRun(hosts, "d", "again", {"mul": 5})
    assert set(again.stages(**on("d")).values()) <= {"cached", "unchanged"}
    assert tree(hosts, again.save("d"), "d") == tree(hosts, commit)


class TestSavingAgain:
    """save_run is cleared once the workspace is pruned, or runs on a host that ran nothing."""

    @pytest.fixture
    def run(self, hosts):
        run = HostsRun(hosts, "a", conf={"mul": 77})
        run.stages(**on("a"))
        run.first = run.save()
        shutil.rmtree(hosts.project["a"] / "runs")
        return run

    @pytest.fixture
    def restored(self, hosts, run):
        """Return the workspace that is made again, before anything is brought into it."""
        wanted = Workspace(**run.returned["open_workspace"])
        return ensure_workspace(hosts.project["a"], hosts.project["a"] / "runs", wanted)[0]

    def test_the_same_is_saved(self, hosts, run):
        assert tree(hosts, run.save()) == tree(hosts, run.first)

    def test_also_where_nothing_ran(self, hosts, run):
        assert tree(hosts, run.save("c"), "c") == tree(hosts, run.first)

    def test_files_that_only_the_first_save_has_come_from_there(self, hosts, run, restored):
        lose_all(hosts)
        results = [run.returned[stage]["stages"][0] for stage in ("parts", "score")]
        path = Path(restored.path)
        assert (path / "m.json").read_text() == '{"n":2}'
        found = collect_results(
            hosts.project["a"], restored, results, complete=False, log=lambda line: None
        )
        assert (path / "m.json").read_text() == '{"n":77}'
        assert (path / "plain" / "r").read_text() == "77\n"
        assert [result["stage"] for result in found] == ["parts", "score"]

    def test_what_is_nowhere_is_refused_and_the_first_save_stays(self, hosts, run):
        hosts.git("a", "update-ref", "refs/runs/hosts/run", "HEAD")
        lose_all(hosts)
        with pytest.raises(WorkspaceError, match=r"'score' made m\.json.*Nothing was saved; clear"):
            run.save()
        assert hosts.git("a", "rev-parse", "refs/runs/hosts/run") == hosts.git(
            "a", "rev-parse", "HEAD"
        )

    def test_a_stage_without_a_result_is_refused(self, hosts, run, restored):
        with pytest.raises(WorkspaceError, match=r"no result of 'prep', 'parts'"):
            save_run(hosts.project["a"], restored, [], complete=True)


def lose_all(hosts):
    shutil.rmtree(hosts.project["a"].parent / "store")
    for project in hosts.project.values():
        shutil.rmtree(project / ".dvc" / "cache", ignore_errors=True)


def test_without_transfer_what_ran_elsewhere_is_not_saved_as_it_was_before(hosts):
    hosts.options["transfer"] = False
    run = HostsRun(hosts, "a", conf={"mul": 77})
    run.stages(prep="b", parts="b", count="b", score="b", report="b")
    with pytest.raises(WorkspaceError, match=r"'score' made m\.json.*transfer=True") as raised:
        run.save("a")
    assert "'report' made report.txt" in str(raised.value)
    assert hosts.git("a", "for-each-ref", "refs/runs") == ""
    run.save("b")
    assert run.show("m.json", "b") == '{"n":77}'


def test_hosts_that_share_a_cache_need_no_transfer(hosts, alone):
    hosts.options["transfer"] = False
    for host in "bc":
        local = hosts.project[host] / ".dvc" / "config.local"
        local.write_text(f"[cache]\n    dir = {hosts.project['a'] / '.dvc' / 'cache'}\n")
    run = HostsRun(hosts, "a", "shared", {"mul": 77})
    run.stages(**on("abc"))
    assert tree(hosts, run.save()) == alone


def test_a_failed_run_is_kept_without_what_is_not_to_be_had(hosts):
    hosts.options["transfer"] = False
    run = HostsRun(hosts, "a", conf={"mul": 77})
    run.stages(prep="b", parts="b")
    with pytest.raises(AirflowFailException, match="not complete"):
        run.save()
    lock = yaml.safe_load(hosts.git("a", "show", "refs/failed-runs/hosts/run:dvc.lock"))
    before = yaml.safe_load(hosts.git("a", "show", "HEAD:dvc.lock"))
    assert lock["stages"]["parts"] == before["stages"]["parts"]


def test_a_task_above_without_a_result_is_named(hosts):
    run = HostsRun(hosts, "a", conf={"mul": 77})
    run.stages(prep="a")
    with pytest.raises(WorkspaceError, match=r"task\(s\) parts above this one have no result"):
        run.stages(count="a")


def test_a_remote_that_is_not_the_default_one_and_that_of_an_output(hosts, tmp_path):
    for path in hosts.project.values():
        text = "".join(
            f"['remote \"{name}\"']\n    url = {tmp_path / name}\n" for name in ("other", "third")
        )
        (path / ".dvc" / "config.local").write_text(text)
    pipeline = hosts.project["a"] / "dvc.yaml"
    text = pipeline.read_text().replace("outs: [n.txt]", "outs: [n.txt: {remote: third}]")
    pipeline.write_text(text)
    hosts.git("a", "commit", "-qam", "n.txt has a remote of its own")
    hosts.options["remote"] = "other"
    run = HostsRun(hosts, "a", conf={"mul": 77})
    run.stages(**on("ab"))
    run.save("c")
    assert run.show("m.json", "c") == '{"n":77}'
    assert any((tmp_path / "third").rglob("*"))


def test_a_worker_at_another_commit_says_so(hosts, capfd):
    opened_at = hosts.git("b", "rev-parse", "HEAD")
    hosts.git("b", "commit", "-q", "--allow-empty", "-m", "ahead")
    run = HostsRun(hosts, "a", conf={"mul": 77})
    run.stages(prep="a")
    assert "on this worker" not in "".join(capfd.readouterr())
    run.stages(parts="b")
    ahead = hosts.git("b", "rev-parse", "HEAD")
    assert f"is at commit {ahead}; the DAG's run was opened at commit {opened_at}" in "".join(
        capfd.readouterr()
    )


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_a_metric_from_the_run_cache_is_a_file_whatever_links_the_cache_has(hosts, kind, tmp_path):
    with (hosts.project["a"] / ".dvc" / "config.local").open("a") as config:
        config.write(f"[cache]\n    type = {kind}\n")
    for run_id in ("first", "second"):
        run = HostsRun(hosts, "a", run_id, {"mul": 6})
        statuses = run.stages(**on("a"))
        commit = run.save()
    assert statuses["score"] == "cached"
    assert hosts.git("a", "ls-tree", commit, "m.json").startswith("100644 blob")
    assert run.show("m.json") == '{"n":6}'
