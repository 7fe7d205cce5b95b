"""A saved run is a commit that holds all of the run, in an order that never differs."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from dvc_airflow.__main__ import main
from dvc_airflow.apply import apply_run
from dvc_airflow.errors import ApplyError
from dvc_airflow.runtime.lockfile import write_lockfile
from dvc_airflow.runtime.save import save_run

FILES = {
    "in.txt": "one",
    "params.yaml": "x: 1\n",
    "dvc.yaml": """
        stages:
          a:
            cmd: cp in.txt a.txt
            deps: [in.txt]
            outs: [a.txt]
          c:
            cmd: echo '{"v":1}' > c.json
            deps: [a.txt]
            params: [x]
            metrics: [c.json: {cache: false}]
          b:
            cmd:
            - cp a.txt made/b.txt
            - |
              echo a
              echo b
            deps: [a.txt]
            outs: [made/b.txt]
          d: {cmd: cat made/b.txt c.json > d.txt, deps: [made/b.txt, c.json], outs: [d.txt]}
        """,
    "made/.keep": "",
}


@pytest.fixture
def project(new_project):
    return new_project(FILES)


def whole_run(project, open_run, drive, order="acbd", run_id="run", **options):
    opened = open_run(project, run_id, **options)
    results = drive(opened.path, *order).results
    random.Random(3).shuffle(results)
    return opened, save_run(project.path, opened, results, complete=True)


def test_the_order_in_which_stages_finish_does_not_matter(project, open_run, drive):
    _, one = whole_run(project, open_run, drive, "abcd", "one")
    _, two = whole_run(project, open_run, drive, "acbd", "two")
    assert project.git("rev-parse", f"{one.ref}^{{tree}}") == project.git(
        "rev-parse", f"{two.ref}^{{tree}}"
    )


def test_the_lock_file_has_the_bytes_of_a_serial_repro(project, open_run, drive, tmp_path):
    _, saved = whole_run(project, open_run, drive, "abcd")
    alone = tmp_path / "alone"
    subprocess.run(["git", "clone", "-q", str(project.path), str(alone)], check=True)
    type(project)(alone).dvc("repro")
    ours = subprocess.check_output(["git", "show", f"{saved.ref}:dvc.lock"], cwd=project.path)
    assert ours == (alone / "dvc.lock").read_bytes()


def test_the_commit_holds_metrics_and_gitignores_but_no_strays(project, open_run, drive):
    opened = open_run(project)
    results = drive(opened.path, *"acbd").results
    Path(opened.path, "stray.log").write_text("x")
    saved = save_run(project.path, opened, results, complete=True)

    changed = project.git("diff", "--name-only", opened.commit, saved.commit).split()

    assert sorted(changed) == [".gitignore", "c.json", "dvc.lock", "made/.gitignore"]


def test_the_projects_branches_index_and_tree_stay_as_they_are(project, open_run, drive):
    project.write({"in.txt": "uncommitted"})
    before = (project.git("status", "--porcelain"), project.git("rev-parse", "HEAD"))
    whole_run(project, open_run, drive)
    assert (project.git("status", "--porcelain"), project.git("rev-parse", "HEAD")) == before
    assert project.git("branch", "--format=%(refname:short)") == "main"


def test_checked_out_a_saved_run_needs_nothing_done(project, open_run, drive):
    _, saved = whole_run(project, open_run, drive, overrides={"x": 5})
    project.git("checkout", "-q", saved.ref)
    project.dvc("checkout")
    assert "didn't change" in project.dvc("repro")
    assert project.git("status", "--porcelain") == ""
    assert yaml.safe_load((project.path / "params.yaml").read_text()) == {"x": 5}


def test_saving_again_replaces_the_first_save(project, open_run, drive):
    opened, first = whole_run(project, open_run, drive)
    again = save_run(project.path, opened, [], complete=True)
    assert again.ref == first.ref
    assert project.git("rev-parse", f"{again.ref}^") == opened.commit


def test_a_run_that_succeeds_at_last_is_not_listed_as_failed(project, open_run, drive):
    opened = open_run(project)
    results = drive(opened.path, "a").results
    failed = save_run(project.path, opened, results, complete=False)
    assert failed.ref == "refs/failed-runs/dag/run"

    save_run(project.path, opened, results, complete=True)

    assert project.git("for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/main",
        "refs/runs/dag/run",
    ]


def test_without_a_git_identity_a_neutral_one_is_used(project, open_run, drive, monkeypatch):
    project.git("config", "--unset", "user.name")
    project.git("config", "--unset", "user.email")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    _, saved = whole_run(project, open_run, drive)
    author = project.git("log", "-1", "--format=%an <%ae>", saved.ref)
    assert author == "dvc-airflow <dvc-airflow@localhost>"


def test_a_hook_of_the_user_does_not_stop_a_run(project, open_run, drive):
    hooks = project.path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    project.git("config", "core.hooksPath", str(hooks))
    _, saved = whole_run(project, open_run, drive)
    assert saved.complete


def test_entries_of_stages_that_are_no_more_stay_at_the_end(tmp_path):
    path = tmp_path / "dvc.lock"
    path.write_text("schema: '2.0'\nstages:\n  old: {cmd: o}\n  b: {cmd: b}\n")
    write_lockfile(path, {"a": "cmd: a\n"}, ["a", "b"])
    assert list(yaml.safe_load(path.read_text())["stages"]) == ["a", "b", "old"]


class TestApply:
    def test_it_brings_the_run_into_the_working_tree(self, project, open_run, drive):
        _, saved = whole_run(project, open_run, drive, overrides={"x": 2})
        head = project.git("rev-parse", "HEAD")

        changed = apply_run(project.path, "dag/run")

        assert "params.yaml" in changed
        assert (project.path / "params.yaml").read_text() == "x: 2\n"
        assert (project.path / "d.txt").read_text() == 'one{"v":1}\n'
        assert project.dvc("status") == "Data and pipelines are up to date."
        assert project.git("rev-parse", "HEAD") == head
        assert project.git("diff", "--cached", "--name-only") == ""
        assert saved.ref == "refs/runs/dag/run"

    def test_applying_twice_is_as_good_as_once(self, project, open_run, drive):
        whole_run(project, open_run, drive)
        assert apply_run(project.path, "dag/run") == apply_run(project.path, "dag/run")

    def test_it_refuses_to_overwrite_changes(self, project, open_run, drive):
        whole_run(project, open_run, drive, overrides={"x": 2})
        project.write({"params.yaml": "x: 3\n"})
        with pytest.raises(ApplyError, match=r"your changes in params\.yaml"):
            apply_run(project.path, "dag/run")
        assert (project.path / "params.yaml").read_text() == "x: 3\n"
        apply_run(project.path, "dag/run", force=True)
        assert (project.path / "params.yaml").read_text() == "x: 2\n"

    def test_it_refuses_to_overwrite_an_output_that_dvc_does_not_have(
        self, project, open_run, drive
    ):
        whole_run(project, open_run, drive)
        (project.path / "d.txt").write_text("mine")
        with pytest.raises(ApplyError, match=r"d\.txt"):
            apply_run(project.path, "dag/run")
        assert (project.path / "d.txt").read_text() == "mine"

    def test_a_start_that_was_never_committed_and_is_gone_comes_back(
        self, project, open_run, drive
    ):
        project.dvc("repro", "-q")
        project.write({"in.txt": "two"})
        project.dvc("repro", "-q")
        whole_run(project, open_run, drive)
        project.git("stash", "-qu")
        project.git("stash", "drop", "-q")
        assert not (project.path / "dvc.lock").exists()

        changed = apply_run(project.path, "dag/run")

        assert {"dvc.lock", "c.json", "in.txt"} <= set(changed)
        assert (project.path / "in.txt").read_text() == "two"
        assert project.dvc("status") == "Data and pipelines are up to date."

    def test_a_start_that_was_amended_or_followed_by_other_work_is_no_obstacle(
        self, project, open_run, drive
    ):
        whole_run(project, open_run, drive, overrides={"x": 2})
        project.git("commit", "-q", "--amend", "-m", "other words")
        project.write({"README.md": "docs"})
        project.commit("docs")
        apply_run(project.path, "dag/run")
        assert project.dvc("status") == "Data and pipelines are up to date."
        assert (project.path / "README.md").read_text() == "docs"

    def test_what_a_release_wrote_after_the_run_stays_and_is_no_obstacle(
        self, project, open_run, drive
    ):
        whole_run(project, open_run, drive)
        project.write({"in.txt": "as the release left it"})
        with pytest.raises(ApplyError, match="--besides"):
            apply_run(project.path, "dag/run")
        changed = apply_run(project.path, "dag/run", besides=["in.txt"])
        assert "dvc.lock" in changed
        assert (project.path / "in.txt").read_text() == "as the release left it"

    @pytest.mark.parametrize("how", ["commit", "branch", "uncommitted"])
    def test_a_tree_that_is_not_what_the_run_read_is_refused_by_name(
        self, project, open_run, drive, how
    ):
        whole_run(project, open_run, drive)
        if how == "branch":
            project.git("switch", "-qc", "other")
        project.write({"in.txt": "another"})
        if how != "uncommitted":
            project.commit("another input")
        before = project.git("status", "--porcelain")

        with pytest.raises(ApplyError, match=r"another version of in\.txt than the run"):
            apply_run(project.path, "dag/run")

        assert project.git("status", "--porcelain") == before
        assert "in.txt" in apply_run(project.path, "dag/run", force=True)
        assert project.dvc("status") == "Data and pipelines are up to date."

    def test_results_of_a_later_run_that_are_committed_give_way(self, project, open_run, drive):
        whole_run(project, open_run, drive, overrides={"x": 2})
        whole_run(project, open_run, drive, run_id="later", overrides={"x": 3})
        apply_run(project.path, "dag/later")
        project.commit("later")
        apply_run(project.path, "dag/run")
        assert (project.path / "params.yaml").read_text() == "x: 2\n"

    def test_data_that_the_cache_lost_is_named(self, project, open_run, drive):
        whole_run(project, open_run, drive)
        for path in project.path.glob("*.txt"):
            if path.name != "in.txt":
                path.unlink()
        shutil.rmtree(project.path / ".dvc" / "cache")
        with pytest.raises(ApplyError, match=r"a\.txt, made/b\.txt, d\.txt is not in the cache"):
            apply_run(project.path, "dag/run")

    def test_an_unknown_run_is_an_error_that_names_known_ones(self, project, open_run, drive):
        whole_run(project, open_run, drive)
        with pytest.raises(ApplyError, match="there is: refs/runs/dag/run"):
            apply_run(project.path, "dag/other")

    def test_the_command_line_applies_and_reports(self, project, open_run, drive, capsys):
        whole_run(project, open_run, drive)
        assert main(["--project", str(project.path), "apply", "dag/run"]) == 0
        assert "dvc.lock" in capsys.readouterr().out.splitlines()
        assert main(["--project", str(project.path), "apply", "dag/none"]) == 1
        assert "error: there is no saved run" in capsys.readouterr().err
