"""Neither the original tree nor anybody's configuration reaches into a run's copy unseen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dvc_airflow.errors import WorkspaceError
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.save import save_run
from dvc_airflow.runtime.workspace import open_workspace

MAKE = "a: {cmd: cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}"


def files(second: str, **more: str) -> dict[str, str]:
    stages = f"stages:\n  {MAKE}\n  b: {second}\n"
    return {"in.txt": "in\n", "code.py": "x\n", "dvc.yaml": stages, **more}


@pytest.fixture
def place(tmp_path) -> Path:
    """Where `new_project` puts the project."""
    return tmp_path / "project"


@pytest.mark.parametrize(
    ("stage", "shown", "where", "remedy"),
    [
        ("{cmd: cp a.txt b.txt, deps: ['ROOT/a.txt'], outs: [b.txt]}", "a.txt", "deps", "a.txt"),
        ("{cmd: python code.py, deps: ['ROOT/code.py']}", "code.py", "deps", "code.py"),
        ("{cmd: touch b.txt, outs: ['ROOT/b.txt']}", "b.txt", "outs", "b.txt"),
        ("{cmd: touch b.json, metrics: ['ROOT/b.json': {cache: false}]}", "b.json", "outs", "b.j"),
        ("{cmd: touch b.txt, wdir: ROOT/sub}", "sub", "wdir", "sub"),
        ("{cmd: cat a.txt, deps: [a.txt], params: [ROOT/p.yaml: [x]]}", "p.yaml", "params", "p.y"),
        ("{cmd: python ROOT/code.py}", "code.py", "cmd", "code.py"),
        ("{cmd: cd ROOT && python code.py}", "", "cmd", "."),
        ("{cmd: OUT=ROOT/a.txt sh -c 'cat $OUT', deps: [a.txt]}", "a.txt", "cmd", "a.txt"),
        ('{cmd: "python -c \\"open(\'ROOT/a.txt\')\\"", deps: [a.txt]}', "a.txt", "cmd", "a.txt"),
        ("{cmd: 'cat ${file}', deps: [a.txt]}", "a.txt", "file = ", "a.txt"),
    ],
)
def test_an_absolute_path_to_what_the_copy_has_is_refused(
    new_project, open_run, place, stage, shown, where, remedy
):
    more = {"p.yaml": "x: 1\n", "sub/.keep": "", "params.yaml": f"file: {place}/a.txt\n"}
    project = new_project(files(stage.replace("ROOT", str(place)), **more))

    with pytest.raises(WorkspaceError) as raised:
        open_run(project)

    text = str(raised.value)
    assert f"stage 'b' names {place}{'/' if shown else ''}{shown} (" in text
    assert where in text
    assert f"instead: {remedy}" in text
    assert list(project.path.glob("runs/dag/run*")) == []
    assert project.git("for-each-ref", "refs/open-runs") == ""


def test_a_path_through_a_link_to_the_project_is_the_same_path(new_project, open_run, tmp_path):
    (tmp_path / "current").symlink_to("project")
    through = tmp_path / "current" / "a.txt"
    project = new_project(files(f"{{cmd: cat a.txt, deps: [{through}]}}"))
    with pytest.raises(WorkspaceError, match=r"instead: a\.txt"):
        open_run(project)
    project.write(files(f"{{cmd: 'cat {through}', deps: [a.txt]}}"))
    with pytest.raises(WorkspaceError, match=r"cmd.*instead: a\.txt"):
        open_workspace(tmp_path / "current", project.path / "runs", RunKey("dag", "run"))


def test_what_only_mentions_the_project_is_a_warning(new_project, place):
    stage = f"{{cmd: 'echo \"made of {place}/code.py\"; echo {place}/nothing.txt', deps: [a.txt]}}"
    project = new_project(files(stage, **{"params.yaml": "x: 1\n"}))
    opened = open_workspace(project.path, project.path / "runs", RunKey("dag", "run"))
    (warning,) = opened.warnings
    assert f"stage 'b' mentions {place}/code.py" in warning


def test_ignored_data_and_environments_may_be_named_absolutely(new_project, open_run, place):
    stage = f"{{cmd: '{place}/.venv/python {place}/raw.csv', deps: ['{place}/raw.csv']}}"
    project = new_project(files(stage, **{".gitignore": "/runs/\n/.venv\n/raw.csv\n/a.txt\n"}))
    project.write({".venv/python": "", "raw.csv": "1\n"})
    assert open_run(project).path


@pytest.mark.parametrize("section", ["deps", "outs"])
def test_a_path_that_leaves_the_repository_is_refused(new_project, open_run, tmp_path, section):
    (tmp_path / "shared.csv").write_text("1\n")
    project = new_project(files(f"{{cmd: touch x, {section}: [../shared.csv]}}"))
    with pytest.raises(WorkspaceError, match=rf"leaves the repository.*{tmp_path}/shared\.csv"):
        open_run(project)


def test_a_parameter_that_leaves_the_repository_is_refused(new_project, open_run, tmp_path):
    (tmp_path / "shared.csv").write_text("1\n")
    more = {"params.yaml": "data: ../shared.csv\nother: ../none.csv\n"}
    project = new_project(files("{cmd: ls, params: [data, other]}", **more))
    with pytest.raises(WorkspaceError, match=r"'b' names \.\./shared\.csv \(params\.yaml: data"):
        open_run(project)


def test_links_that_git_tracks_lead_to_the_copy(new_project, open_run, drive, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "s.txt").write_text("s\n")
    reads = "{cmd: cat own made.txt out/s.txt raw > b.txt, deps: [own, raw], outs: [b.txt]}"
    project = new_project(files(reads, **{".gitignore": "/runs/\n/a.txt\n/raw.csv\n"}))
    root = project.path
    (root / "own").symlink_to(root / "in.txt")
    (root / "made.txt").symlink_to(root / "a.txt")
    (root / "out").symlink_to(Path("..", "shared"))
    (root / "raw").symlink_to(root / "raw.csv")
    project.commit("links")
    (root / "raw.csv").write_text("raw\n")
    (root / "in.txt").write_text("changed later\n")

    opened = open_run(project, rev="HEAD")
    results = drive(opened.path, "a", "b").results
    saved = save_run(root, opened, results, complete=True)

    assert Path(opened.path, "b.txt").read_text() == "in\nin\ns\nraw\n"
    assert (root / "in.txt").read_text() == "changed later\n"
    assert not (root / "a.txt").exists()
    changed = project.git("diff", "--name-only", opened.commit, saved.commit).split()
    assert set(changed) <= {".gitignore", "dvc.lock"}


def test_an_override_is_never_written_through_a_link_into_the_original(new_project, open_run):
    more = {"conf/p.yaml": "x: 1\n"}
    project = new_project(files("{cmd: 'echo ${x}'}", **more))
    (project.path / "params.yaml").symlink_to(project.path / "conf" / "p.yaml")
    project.commit("link")
    opened = open_run(project, overrides={"x": 2})
    assert (project.path / "conf" / "p.yaml").read_text() == "x: 1\n"
    assert Path(opened.path, "conf", "p.yaml").read_text() == "x: 2\n"


class TestEditableInstalls:
    """A virtual environment without pip, in which installers' files lie as pip leaves them."""

    @pytest.fixture
    def python(self, tmp_path) -> Path:
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True
        )
        return tmp_path / "venv" / "bin" / "python"

    def site(self, python: Path) -> Path:
        (found,) = (python.parents[1] / "lib").glob("python3*/site-packages")
        return found

    def run(self, new_project, open_run, drive, python, place, install) -> str:
        code = "import pkg, mod; open('b.txt', 'w').write(pkg.V + mod.V)"
        project = new_project(
            files(
                f"{{cmd: '{python} job.py', deps: [job.py], outs: [b.txt]}}",
                **{"job.py": code, "src/pkg/__init__.py": "V = 'old'", "src/mod.py": "V = 'old'"},
            )
        )
        project.git("tag", "v1")
        project.write({"src/pkg/__init__.py": "V = 'new'", "src/mod.py": "V = 'new'"})
        project.commit("new")
        install(self.site(python), place / "src")
        opened = open_run(project, rev="v1")
        drive(opened.path, "b")
        return Path(opened.path, "b.txt").read_text()

    def test_a_path_file(self, new_project, open_run, drive, python, place):
        def install(site, src):
            (site / "__editable__.pkg-1.pth").write_text(f"{src}\n")

        assert self.run(new_project, open_run, drive, python, place, install) == "oldold"

    def test_a_finder(self, new_project, open_run, drive, python, place):
        def install(site, src):
            finder = pytest.importorskip("setuptools.command.editable_wheel")
            mapping = {"pkg": str(src / "pkg"), "mod": str(src / "mod")}
            text = finder._finder_template("pkg", mapping, {})
            (site / "__editable___pkg_finder.py").write_text(text)
            start = "import __editable___pkg_finder; __editable___pkg_finder.install()\n"
            (site / "__editable__.pkg-1.pth").write_text(start)

        assert self.run(new_project, open_run, drive, python, place, install) == "oldold"

    def test_the_environments_own_path_and_customization_are_kept(
        self, new_project, open_run, drive, python, place, monkeypatch
    ):
        def install(site, src):
            (site / "sitecustomize.py").write_text("import builtins; builtins.own = 1\n")
            monkeypatch.setenv("PYTHONPATH", str(src))
            job = "import pkg, mod; open('b.txt', 'w').write(pkg.V + mod.V + str(own))"
            (src.parent / "job.py").write_text(job)
            subprocess.run(["git", "commit", "-qam", "job"], cwd=src.parent, check=True)
            subprocess.run(["git", "tag", "-f", "v1"], cwd=src.parent, check=True)
            (src / "mod.py").write_text("V = 'newer'")

        assert self.run(new_project, open_run, drive, python, place, install) == "newnew1"


class TestConfiguration:
    @pytest.mark.parametrize("level", ["system", "global", "local"])
    def test_the_cache_of_every_level_is_used(
        self, new_project, open_run, drive, tmp_path, monkeypatch, level
    ):
        for name in ("system", "global"):
            monkeypatch.setenv(f"DVC_{name.upper()}_CONFIG_DIR", str(tmp_path / name))
        project = new_project(files("{cmd: cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}"))
        project.dvc("config", f"--{level}", "cache.dir", str(tmp_path / "shared"))
        project.dvc("repro")
        project.commit("ran")

        opened = open_run(project)
        driven = drive(opened.path, "a", "b")

        assert driven.statuses == {"a": "unchanged", "b": "unchanged"}
        assert not (project.path / ".dvc" / "cache" / "files").exists()

    def test_relative_paths_of_the_runs_own_configuration_stay_what_they_are(
        self, new_project, open_run
    ):
        project = new_project(files("{cmd: ls}"))
        project.dvc("remote", "add", "-d", "old", "../old-store")
        project.git("add", ".dvc/config")
        project.git("commit", "-qm", "remote")
        project.dvc("remote", "add", "--local", "mine", "ssh://host/x")
        project.dvc("remote", "modify", "--local", "mine", "keyfile", "../key")
        rev = project.git("rev-parse", "HEAD")
        project.dvc("remote", "remove", "old")
        opened = open_run(project, rev=rev)
        shown = type(project)(Path(opened.path)).dvc("config", "--list")
        assert f"remote.old.url={project.path.parent / 'old-store'}" in shown
        assert f"remote.mine.keyfile={project.path.parent / 'key'}" in shown


class TestPaths:
    def test_a_project_and_workspaces_that_are_reached_through_links(
        self, new_project, drive, tmp_path
    ):
        project = new_project(files("{cmd: cp data.txt b.txt, deps: [data.txt], outs: [b.txt]}"))
        project.write({"data.txt": "1"})
        project.dvc("add", "-q", "data.txt")
        project.commit("data")
        (tmp_path / "current").symlink_to("project")
        (tmp_path / "disk").mkdir()
        (tmp_path / "ws").symlink_to("disk")
        for number, workspaces in enumerate([tmp_path / "current" / "runs", tmp_path / "ws"]):
            key = RunKey("dag", f"run{number}")
            opened = open_workspace(tmp_path / "current", workspaces, key).workspace
            results = drive(opened.path, "a", "b").results
            assert save_run(project.path, opened, results, complete=True).complete

    def test_unignored_workspaces_are_found_through_a_link_too(self, new_project, tmp_path):
        project = new_project(files("{cmd: ls}", **{".gitignore": ""}))
        (tmp_path / "current").symlink_to("project")
        with pytest.raises(WorkspaceError, match=r"add '/runs/' to \.gitignore"):
            open_workspace(tmp_path / "current", tmp_path / "current" / "runs", RunKey("d", "r"))
        assert project.git("for-each-ref", "refs/open-runs") == ""

    def test_names_of_any_letters(self, new_project, drive, open_run):
        stages = """\
            stages:
              ä:
                cmd: cp "in x.txt" ö.json
                deps: [in x.txt]
                metrics: ['ö.json': {cache: false}]
              b: {cmd: 'cp ö.json "q''\\"t.txt"', deps: [ö.json], outs: ["q'\\"t.txt"]}
            """
        project = new_project({"in x.txt": "{}", "dvc.yaml": stages}, name="Mül ler's 日本")
        project.write({".gitignore": "/runs/\n"})
        opened = open_run(project)
        results = drive(opened.path, "ä", "b").results
        saved = save_run(project.path, opened, results, complete=True)
        listed = project.git("ls-tree", "-z", "--name-only", saved.commit).split("\0")
        assert {"ö.json", "dvc.lock"} <= set(listed)
        assert json.loads(project.git("show", f"{saved.commit}:ö.json")) == {}

    def test_a_metric_that_git_ignores_by_a_name_of_other_letters(
        self, new_project, drive, open_run
    ):
        stage = "stages:\n  a: {cmd: 'echo {} > ö.json', metrics: ['ö.json': {cache: false}]}\n"
        project = new_project({"dvc.yaml": stage, ".gitignore": "/runs/\nö.json\n"})
        opened = open_run(project)
        saved = save_run(project.path, opened, drive(opened.path, "a").results, complete=True)
        assert "ö.json" not in project.git("ls-tree", "-z", "--name-only", saved.commit)

    def test_a_path_that_is_no_text_is_a_clear_error(self, new_project, open_run, tmp_path):
        project = new_project(files("{cmd: ls}"))
        odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
        os.rename(project.path, odd)
        with pytest.raises(WorkspaceError, match=r"caf\\udce9 is not UTF-8"):
            open_run(type(project)(Path(odd)))
