"""Which of the files that git doesn't track a run takes, links, leaves out or refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dvc_airflow.apply import apply_run
from dvc_airflow.errors import WorkspaceError
from dvc_airflow.operators.open import left_out_lines
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.save import save_run
from dvc_airflow.runtime.workspace import ensure_workspace, open_workspace

PERSON = "Ada Lovelace,1815"
FILES = {
    "code.py": "print('first')\n",
    "params.yaml": "source: [data/people.csv]\nsuite: first\n",
    "dvc.yaml": """
        stages:
          s:
            cmd: cp code.py out.txt
            deps: [code.py]
            outs: [out.txt]
        """,
    ".gitignore": "/runs/\n/out.txt\n",
}
READS = """
    stages:
      s:
        cmd: cp data/people.csv out.txt
        deps: [data/people.csv]
        outs: [out.txt]
    """


@pytest.fixture
def project(new_project):
    return new_project(FILES)


@pytest.fixture
def reader(new_project):
    """A project whose stage reads data/people.csv, which isn't there yet."""
    return new_project({**FILES, "dvc.yaml": READS})


def held(project, commit: str) -> set[str]:
    listed = project.git("ls-tree", "-r", "-z", "--name-only", commit)
    return set(filter(None, listed.split("\0")))


def new(project, opened) -> set[str]:
    """Files of a run's commit that HEAD doesn't have."""
    return held(project, opened.commit) - held(project, "HEAD")


def everything_in_git(project) -> str:
    """Every object that git has, as text."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    done = subprocess.run(command, cwd=project.path, capture_output=True, check=True)
    return done.stdout.decode("utf-8", "replace")


def state(project) -> tuple[str, bytes]:
    index = (project.path / ".git" / "index").read_bytes()
    return project.git("status", "--porcelain", "-z"), index


def test_personal_data_that_lies_about_never_gets_into_git(project, open_run):
    for name in (
        "people.csv",
        "dump.sql.bak",
        "people.json",
        "notes.txt",
        "run.ipynb",
        "p.parquet",
    ):
        project.write({name: PERSON, f"deep/{name}": PERSON})

    opened = open_run(project)

    assert opened.commit == project.git("rev-parse", "HEAD")
    assert PERSON not in everything_in_git(project)
    assert not any("Ada" in p.read_text() for p in Path(opened.path).glob("*.*") if p.is_file())


def test_all_takes_what_git_would_add(project, open_run):
    project.write({"people.csv": PERSON, "lib.py": "x = 1\n", "out.txt": "ignored"})
    assert new(project, open_run(project, untracked="all")) == {"people.csv", "lib.py"}


def test_none_takes_changes_and_what_was_added_to_the_index(project, open_run):
    project.write({"people.csv": PERSON, "lib.py": "x = 1\n", "staged.csv": "old"})
    project.git("add", "staged.csv")
    project.write({"code.py": "import lib\n", "staged.csv": "changed after"})

    opened = open_run(project, untracked="none")

    assert new(project, opened) == {"staged.csv"}
    assert Path(opened.path, "staged.csv").read_text() == "changed after"
    assert Path(opened.path, "code.py").read_text() == "import lib\n"


def test_code_that_dvc_yaml_parameters_or_imports_name_is_taken(project, open_run):
    project.write(
        {
            "dvc.yaml": """
                vars: [conf/vars.yaml]
                stages:
                  s:
                    cmd:
                      - python -m pkg.main --config=conf/main.toml
                      - "sh 'scripts/go now.sh'; ./tool"
                    deps: ["suites/${suite}.json", lib, "${extra}"]
                    params: [{conf/more.yaml: }, query]
                    outs: [out.txt]
                    metrics: [m.json: {cache: false}]
                """,
            "params.yaml": "suite: mine\nquery: {file: sql/people.sql}\nunused: [etc/x.ini]\n",
            "conf/vars.yaml": "extra: named.r\n",
            "conf/main.toml": "a = 1\n",
            "conf/more.yaml": "more: 1\n",
            "conf/other.yaml": "nobody: names me\n",
            "sql/people.sql": "select 1\n",
            "sql/other.sql": "select 2\n",
            "etc/x.ini": "[x]\n",
            "named.r": "x\n",
            "suites/mine.json": '{"a": 1}',
            "suites/yours.json": '{"a": 1}',
            "scripts/go now.sh": "true\n",
            "tool": "#!/bin/sh\n",
            "lib/inner/deep.py": "import os\n",
            "lib/page.html.j2": "<p>\n",
            "src/pkg/__init__.py": "",
            "src/pkg/main.py": "from . import near\nfrom pkg.far import thing\nimport top\n",
            "src/pkg/near.py": "",
            "src/pkg/far/__init__.py": "",
            "src/pkg/far/thing.py": "import plug\n",
            "src/pkg/alone.py": "",
            "plugins/plug.py": "",
            "top.py": "",
            "m.json": "{}",
            "raw.csv.dvc": "outs:\n- path: raw.csv\n  md5: 0000000000000000000000000000000a\n",
            "raw.csv": PERSON,
            "readme.md": "",
        }
    )

    assert new(project, open_run(project)) == {
        "conf/vars.yaml", "conf/main.toml", "conf/more.yaml", "sql/people.sql", "etc/x.ini",
        "named.r", "suites/mine.json", "scripts/go now.sh", "tool", "lib/inner/deep.py",
        "lib/page.html.j2", "src/pkg/__init__.py", "src/pkg/main.py", "src/pkg/near.py",
        "src/pkg/far/__init__.py", "src/pkg/far/thing.py", "plugins/plug.py", "top.py", "m.json",
        "raw.csv.dvc",
    }  # fmt: skip


def test_an_import_of_tracked_code_names_new_code(project, open_run):
    project.write({"code.py": "def f():\n    from helpers.text import clean\n"})
    project.commit()
    project.write(
        {
            "helpers/__init__.py": "",
            "helpers/text.py": "from .words import w\n",
            "helpers/words.py": "w = 1\n",
            "helpers/data.py": "rows = ['Ada']\n",
        }
    )
    assert new(project, open_run(project)) == {
        "helpers/__init__.py", "helpers/text.py", "helpers/words.py",
    }  # fmt: skip


def test_what_an_overridden_parameter_names_is_taken(project, open_run):
    project.write(
        {
            "dvc.yaml": """
                stages:
                  s: {cmd: cp s out.txt, deps: ["suites/${suite}.json"], outs: [out.txt]}
                """,
            "suites/first.json": "{}",
        }
    )
    project.commit()
    project.write({"suites/mine.json": "{}", "suites/yours.json": "{}"})
    opened = open_run(project, overrides={"suite": "mine"})
    assert new(project, opened) == {"suites/mine.json"}
    assert Path(opened.path, "params.yaml").read_text().endswith("suite: mine\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.json", '[{"name": "Ada"}]'),
        ("lines.json", '{"name": "Ada"}\n{"name": "Bo"}\n'),
        ("big.yaml", "a: " + "x" * 1_000_001),
        ("table.csv", "name\nAda\n"),
        ("note.ipynb", "{}"),
    ],
)
def test_what_looks_like_data_is_refused_even_if_it_is_named(project, open_run, name, content):
    dvc_yaml = f"stages: {{s: {{cmd: cat {name}, deps: [{name}], outs: [out.txt]}}}}\n"
    project.write({"dvc.yaml": dvc_yaml})
    (project.path / name).write_text(content)
    with pytest.raises(WorkspaceError, match=f"dvc add {name}"):
        open_run(project)


@pytest.mark.parametrize("mode", ["code", "none"])
def test_data_that_nobody_keeps_is_refused_with_what_makes_it_right(reader, open_run, mode):
    reader.write({"data/people.csv": PERSON})
    before = state(reader)

    with pytest.raises(WorkspaceError) as refused:
        open_run(reader, untracked=mode)

    text = str(refused.value)
    assert "stage 's' reads data/people.csv (dvc.yaml: deps: data/people.csv)" in text
    assert "dvc add data/people.csv\n" in text
    assert str(reader.path / "data/people.csv") in text
    assert state(reader) == before
    assert reader.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert not (reader.path / "runs/dag/run").exists()
    assert PERSON not in everything_in_git(reader)


def test_data_that_only_a_parameter_names_is_refused_with_its_key(project, open_run):
    project.write({"dvc.yaml": READS.replace("deps: [data/people.csv]", "params: [source]")})
    project.write({"data/people.csv": PERSON})
    with pytest.raises(WorkspaceError, match=r"params\.yaml: source = 'data/people\.csv'"):
        open_run(project)


def test_both_ways_out_of_a_refusal_work(reader, open_run, drive):
    reader.write({"data/people.csv": PERSON})
    outside = reader.path.parent / "elsewhere.csv"
    outside.write_text(PERSON)
    reader.dvc("add", "-q", "data/people.csv")
    opened = open_run(reader, "added")
    assert drive(opened.path, "s").statuses == {"s": "ran"}
    assert Path(opened.path, "out.txt").read_text() == PERSON

    reader.write({"dvc.yaml": READS.replace("data/people.csv", str(outside))})
    opened = open_run(reader, "absolute")
    assert drive(opened.path, "s").statuses == {"s": "ran"}
    assert PERSON not in everything_in_git(reader)


def test_data_of_a_stage_that_does_not_run_is_not_asked_for(reader, open_run):
    reader.write({"data/people.csv": PERSON})
    reader.write({"dvc.yaml": READS + "  t: {cmd: cp code.py t, deps: [code.py]}\n    "})
    assert open_run(reader, stages=["t"]).stages == ["t"]


def test_ignored_data_is_read_as_in_dvc_repro_and_never_copied(reader, open_run, drive):
    reader.write({"data/people.csv": PERSON})
    with (reader.path / ".git/info/exclude").open("a") as stream:
        stream.write("/data/\n")
    opened = open_run(reader)
    results = drive(opened.path, "s").results
    saved = save_run(reader.path, opened, results, complete=True)

    assert Path(opened.path, "out.txt").read_text() == PERSON
    link = Path(opened.path, "data/people.csv")
    assert link.is_symlink()
    assert link.resolve() == (reader.path / "data/people.csv").resolve()
    assert PERSON not in everything_in_git(reader)
    lock = Path(opened.path, "dvc.lock").read_text()
    reader.dvc("repro")
    assert (reader.path / "dvc.lock").read_text() == lock
    apply_run(reader.path, saved.ref)
    assert (reader.path / "data/people.csv").read_text() == PERSON


def test_a_folder_of_ignored_data_is_read_beside_what_git_has_of_it(new_project, open_run, drive):
    project = new_project(
        {
            ".gitignore": "/runs/\n*.csv\n*.tmp\n__pycache__/\n/joined\n",
            ".dvcignore": "*.tmp\n",
            "data/readme.md": "about",
            "dvc.yaml": """
                stages:
                  s: {cmd: cat data/*.csv data/*/*.csv > joined, deps: [data], outs: [joined]}
                """,
        }
    )
    project.write({"data/one.csv": "1\n", "data/deep/two.csv": "2\n", "data/x.tmp": "junk"})
    project.write({"data/__pycache__/m.pyc": "junk"})
    opened = open_run(project)
    drive(opened.path, "s")
    assert Path(opened.path, "joined").read_text() == "1\n2\n"
    assert not Path(opened.path, "data/x.tmp").exists()
    project.write({"data/loose.txt": "nobody keeps me"})
    with pytest.raises(WorkspaceError, match=r"dvc add data/loose\.txt"):
        open_run(project)


def test_ignored_data_behind_a_pattern_in_a_parameter_is_read(new_project, open_run, drive):
    project = new_project(
        {
            ".gitignore": "/runs/\n*.csv\n",
            "params.yaml": "data: {paths: ['in/*.csv']}\n",
            "dvc.yaml": "stages: {s: {cmd: cat in/*.csv > out, params: [data], outs: [out]}}\n",
        }
    )
    project.write({"in/1.csv": "1", "in/2.csv": "2", "in/3.csv": "3", "in/other.txt": "x"})
    opened = open_run(project, overrides={"data.paths": ["in/[12].csv"]})
    drive(opened.path, "s")
    assert Path(opened.path, "out").read_text() == "12"


def test_a_link_to_a_folder_elsewhere_is_one_link_in_the_workspace(reader, open_run, drive):
    elsewhere = reader.path.parent / "disk"
    elsewhere.mkdir()
    (elsewhere / "people.csv").write_text(PERSON)
    (reader.path / "data").symlink_to("../disk")
    reader.write({".gitignore": "/runs/\n/data\n"})
    opened = open_run(reader)
    assert Path(opened.path, "data").is_symlink()
    drive(opened.path, "s")
    assert Path(opened.path, "out.txt").read_text() == PERSON


def test_a_workspace_that_is_made_again_has_its_links_again(reader, open_run):
    reader.write({"data/people.csv": PERSON, ".gitignore": "/runs/\n/data/\n"})
    opened = open_run(reader, stages=["s"])
    shutil.rmtree(opened.root)
    found, _ = ensure_workspace(reader.path, reader.path / "runs", opened)
    assert Path(found.path, "data/people.csv").read_text() == PERSON


class TestDataOfDvc:
    @pytest.fixture
    def project(self, reader):
        reader.write({"data/people.csv": PERSON})
        reader.dvc("add", "-q", "data/people.csv")
        return reader

    @staticmethod
    def wipe_cache(project) -> None:
        shutil.rmtree(project.path / ".dvc/cache", ignore_errors=True)

    def test_it_comes_from_the_cache_before_anybody_commits_the_dvc_file(
        self, project, open_run, drive
    ):
        (project.path / "data/people.csv").unlink()
        drive(open_run(project).path, "s")
        assert PERSON not in everything_in_git(project)

    def test_it_is_read_where_it_lies_if_the_cache_lost_it(self, project, open_run, drive):
        project.commit()
        self.wipe_cache(project)
        opened = open_run(project)
        assert Path(opened.path, "data/people.csv").is_symlink()
        drive(opened.path, "s")
        assert Path(opened.path, "out.txt").read_text() == PERSON

    @pytest.mark.parametrize("cached", [True, False])
    def test_a_change_since_dvc_add_is_refused_not_overlooked(self, project, open_run, cached):
        if not cached:
            self.wipe_cache(project)
        place = project.path / "data/people.csv"
        place.chmod(0o644)
        place.unlink()
        place.write_text(PERSON.replace("5", "6"))
        os.utime(place, (1, 1))  # an old time is no proof that nothing changed
        with pytest.raises(WorkspaceError, match=r"dvc add data/people\.csv\n +dvc checkout"):
            open_run(project)
        project.dvc("add", "-q", "data/people.csv")
        assert open_run(project)

    def test_a_parameter_may_name_it(self, project, open_run, drive):
        project.write({"dvc.yaml": READS.replace("deps: [data/people.csv]", "params: [source]")})
        drive(open_run(project).path, "s")

    def test_a_changed_folder_is_refused(self, new_project, open_run, drive):
        project = new_project({**FILES, "dvc.yaml": READS.replace("deps: [data/", "deps: [data, ")})
        project.write({"dvc.yaml": READS.replace("deps: [data/people.csv]", "deps: [data]")})
        project.write({"data/people.csv": PERSON, "data/b/c.csv": "c"})
        project.dvc("add", "-q", "data")
        drive(open_run(project).path, "s")
        project.write({"data/new.csv": "new"})
        with pytest.raises(WorkspaceError, match="dvc add data\n"):
            open_run(project)


NAMES = [
    "with space.py",
    "-n.py",
    "ümläut 数.py",
    "st*r.py",
    "[ab].py",
    ":(top)x.py",
    "new\nline.py",
]


def test_no_letter_of_a_name_is_a_pattern_or_an_option(project, open_run):
    project.write({"dvc.yaml": "stages: {s: {cmd: make, deps: [lib, other], outs: [out.txt]}}\n"})
    project.write({f"lib/{name}": "x = 1\n" for name in NAMES})
    project.write({"lib/star.py": "", "lib/a.py": "", "other/q.py": ""})
    for name in NAMES:
        project.write({name: "x = 1\n"})
    before = state(project)
    opened = open_run(project)
    assert state(project) == before
    assert new(project, opened) == {
        "lib/star.py", "lib/a.py", "other/q.py", *(f"lib/{name}" for name in NAMES)
    }  # fmt: skip


def test_names_of_any_letters_are_linked_and_refused(new_project, open_run):
    project = new_project({**FILES, "dvc.yaml": """
        stages:
          s: {cmd: x, deps: ["-in/a b*.csv", "in/ü[1].csv"], outs: [out.txt]}
        """})  # fmt: skip
    project.write({"-in/a b*.csv": "1", "in/ü[1].csv": "2", "in/ü1.csv": "3"})
    with pytest.raises(WorkspaceError, match=r"dvc add './-in/a b\*\.csv'") as refused:
        open_run(project)
    assert "dvc add 'in/ü[1].csv'" in str(refused.value)
    project.write({".gitignore": "/runs/\n*.csv\n"})
    place = Path(open_run(project).path)
    assert (place / "-in/a b*.csv").read_text() == "1"
    assert (place / "in/ü[1].csv").read_text() == "2"
    assert not (place / "in/ü1.csv").exists()


def test_the_index_of_the_user_is_not_touched(project, open_run):
    project.write({"code.py": "half done\n", "lib.py": ""})
    project.git("add", "-N", "lib.py")
    project.git("rm", "-q", "--cached", "params.yaml")
    before = state(project)
    assert "lib.py" in new(project, open_run(project))
    assert state(project) == before


def test_a_project_in_a_folder_takes_its_own_code_and_what_it_names_outside(
    tmp_path, project, open_run
):
    outer = tmp_path / "outer"
    shutil.copytree(project.path, outer / "deep/project", ignore=shutil.ignore_patterns(".git"))
    inner = type(project)(outer / "deep/project")
    inner.write({"dvc.yaml": """
        stages:
          s: {cmd: python ../../tool.py, deps: [../../lib, code.py], outs: [out.txt]}
        """})  # fmt: skip
    inner.git("init", "-q", str(outer))
    inner.git("config", "user.name", "Ada")
    inner.git("config", "user.email", "ada@example.com")
    inner.git("add", "-A", str(outer))
    inner.git("commit", "-qm", "start")
    for name in ("tool.py", "lib/a.py", "other.py", "deep/project/new.py"):
        (outer / name).parent.mkdir(exist_ok=True)
        (outer / name).write_text("")
    (outer / "deep/project/code.py").write_text("import new\n")
    listed = inner.git("ls-tree", "-r", "--name-only", "--full-tree", open_run(inner).commit)
    found = set(listed.splitlines())
    assert {"tool.py", "lib/a.py", "deep/project/new.py"} <= found
    assert "other.py" not in found


def test_metrics_that_nobody_committed_yet_do_not_stop_applying_a_run(new_project, open_run, drive):
    project = new_project(
        {
            "params.yaml": "x: 1\n",
            "dvc.yaml": """
                stages:
                  s:
                    cmd: echo '{"x":${x}}' > m.json; echo "x,${x}" > p.csv
                    metrics: [m.json: {cache: false}]
                    plots: [p.csv: {cache: false}]
                """,
        }
    )
    for x in (2, 3):
        opened = open_run(project, f"run{x}", overrides={"x": x})
        saved = save_run(project.path, opened, drive(opened.path, "s").results, complete=True)
        apply_run(project.path, saved.ref)
        assert json.loads((project.path / "m.json").read_text()) == {"x": x}
        assert (project.path / "p.csv").read_text() == f"x,{x}\n"


def test_the_log_says_what_was_left_out_but_not_more_than_fits(project):
    project.write({f"data/{number:02}.csv": "x" * 1500 for number in range(25)})
    found = open_workspace(project.path, project.path / "runs", RunKey("dag", "run"))
    lines = left_out_lines(found.left_out, found.linked)
    assert lines[0] == "25 untracked file(s) are not in the workspace:"
    assert lines[1] == "  data/00.csv (1.5 kB)"
    assert lines[-1] == "  and 5 more"
    assert len(lines) == 22
    assert left_out_lines([], []) == []
