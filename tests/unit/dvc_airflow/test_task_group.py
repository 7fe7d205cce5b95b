"""What a group draws into a DAG."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import ParamValidationError

from dvc_airflow import DvcTaskGroup, ExecutionConfig, ProjectConfig, RenderConfig, WorkspaceConfig
from dvc_airflow.errors import GroupingError, PipelineError

FILES = {
    "params.yaml": "lr: 0.1  # speed\nsizes: [1]\n",
    "dvc.yaml": """
        stages:
          prep: {cmd: make data, outs: [data, more/x.csv: {cache: false}], desc: Prepares.}
          train:
            matrix: {kind: [a, b]}
            cmd: train ${item.kind} ${lr}
            deps: [data]
            params: [sizes]
            outs: ['m/${item.kind}']
          report: {cmd: [one, two], deps: [m], metrics: [r.json]}
        """,
}


@pytest.fixture
def root(write_project):
    return write_project(FILES)


def draw(root, **options):
    with DAG("demo", schedule=None, **options.pop("dag", {})) as dag:
        group = DvcTaskGroup(project=root, **options)
    return dag, group


def edges(dag):
    return {(up, task.task_id) for task in dag.tasks for up in task.upstream_task_ids}


def test_tasks_have_the_names_of_their_stages_and_dvc_yamls_edges(root):
    dag, _ = draw(root)
    assert edges(dag) == {
        ("open_workspace", "prep"),
        ("prep", "train__a"),
        ("prep", "train__b"),
        ("train__a", "report"),
        ("train__b", "report"),
        ("report", "save_run"),
    }


def test_one_task_for_the_pipeline(root):
    dag, _ = draw(root, granularity="pipeline")
    assert edges(dag) == {("open_workspace", "pipeline"), ("pipeline", "save_run")}
    assert dag.get_task("pipeline").stages == ["prep", "train@a", "train@b", "report"]


def test_groups_of_stages(root):
    dag, _ = draw(root, granularity={"models": ["train"]})
    assert edges(dag) == {
        ("open_workspace", "prep"),
        ("prep", "models"),
        ("models", "report"),
        ("report", "save_run"),
    }


def test_the_whole_group_stands_between_other_tasks(root):
    from airflow.providers.standard.operators.empty import EmptyOperator

    with DAG("demo", schedule=None) as dag:
        EmptyOperator(task_id="before") >> DvcTaskGroup(root) >> EmptyOperator(task_id="after")
    assert {("before", "open_workspace"), ("save_run", "after")} <= edges(dag)
    assert len(edges(dag)) == 8


def test_two_groups_in_one_dag_are_told_apart_by_their_prefix(root):
    with DAG("demo", schedule=None) as dag:
        DvcTaskGroup(root, targets=["prep"], group_id="one", prefix_group_id=True)
        DvcTaskGroup(root, targets=["prep"], group_id="two", prefix_group_id=True)
    assert {("one.open_workspace", "one.prep"), ("two.prep", "two.save_run")} <= edges(dag)
    task = dag.get_task("two.prep")
    assert task.open_task_id == "two.open_workspace"
    assert dag.get_task("two.save_run").stage_tasks == {"two.prep": ["prep"]}
    assert dag.get_task("two.open_workspace").group == "two"


def test_parameters_are_offered_with_types_and_refuse_others(root):
    dag, _ = draw(root)
    assert dict(dag.params.dump()) == {"lr": 0.1, "sizes": [1]}
    param = dag.params.get_param("lr")
    assert (param.description, param.schema) == ("speed", {"type": "number"})
    with pytest.raises(ParamValidationError):
        dag.params["lr"] = "fast"
    with pytest.raises(ParamValidationError):
        dag.params["sizes"] = ["x"]


def test_a_parameter_that_the_dag_defines_itself_stays(root):
    dag, _ = draw(root, dag={"params": {"lr": Param(0.5, type="number", maximum=1)}})
    assert dag.params["lr"] == 0.5
    assert dag.get_task("open_workspace").defaults["lr"] == 0.1


def test_outputs_are_assets(root):
    dag, _ = draw(root)
    uris = [asset.uri for asset in dag.get_task("prep").outlets]
    assert uris == ["dvc://project/data", "dvc://project/more/x.csv"]
    named, _ = draw(ProjectConfig(root, name="shop"))
    assert named.get_task("report").outlets[0].uri == "dvc://shop/r.json"
    none, _ = draw(root, render=RenderConfig(assets=False))
    assert none.get_task("prep").outlets == []


def test_what_a_stage_is_can_be_read_in_the_ui(root):
    dag, _ = draw(root)
    text = dag.get_task("prep").doc_md
    for words in ("### `prep`", "Prepares.", "make data", "`more/x.csv`", "`dvc.yaml`, line 2"):
        assert words in text
    assert "one\ntwo" in dag.get_task("report").doc_md
    assert "params.yaml: sizes" in dag.get_task("train__a").doc_md


def test_arguments_reach_the_tasks(root):
    dag, _ = draw(
        root,
        execution=ExecutionConfig(force=True, transfer=True, remote="far", env={"A": "b"}),
        workspace=WorkspaceConfig(directory=root / "elsewhere", rev="v1", keep=2),
        operator_args={"retries": 3, "pool": "big"},
    )
    task = dag.get_task("train__b")
    assert (task.force, task.transfer, task.remote, task.env) == (True, True, "far", {"A": "b"})
    assert (task.retries, task.pool) == (3, "big")
    assert task.workspaces == str(root / "elsewhere")
    assert dag.get_task("open_workspace").rev == "v1"
    assert dag.get_task("save_run").keep == 2


def test_an_invalid_dvc_yaml_is_an_error_that_names_the_line(write_project):
    root = write_project({"dvc.yaml": "stages:\n  a:\n    cmd: x\n    outz: []\n"})
    with pytest.raises(PipelineError, match=r"^dvc\.yaml:4: unknown key 'outz'"):
        draw(root)


def test_nothing_selected_is_still_a_run(root):
    dag, _ = draw(root, targets=[])
    assert edges(dag) == {("open_workspace", "save_run")}


def test_a_dag_survives_airflows_serialisation(root):
    from airflow.serialization.serialized_objects import DagSerialization

    dag, _ = draw(root)
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert set(again.task_dict) == set(dag.task_dict)
    assert again.get_task("prep").doc_md == dag.get_task("prep").doc_md


class TestSettingsOfSingleTasks:
    def settings(self, root, stages, **options):
        dag, _ = draw(root, execution=ExecutionConfig(stages=stages), **options)
        return dag.get_task

    def test_a_stage_a_group_and_a_pattern(self, root):
        task = self.settings(
            root,
            {
                "t*": {"queue": "any", "pool": "wide", "retries": 1},
                "train": {"queue": "cpu", "retries": 2},
                "train@b": {"queue": "gpu", "retry_delay": 90},
            },
            operator_args={"retries": 7, "pool": "small"},
        )
        a, b, prep = task("train__a"), task("train__b"), task("prep")
        assert (a.queue, a.pool, a.retries) == ("cpu", "wide", 2)
        assert (b.queue, b.pool, b.retries, b.retry_delay.seconds) == ("gpu", "wide", 2, 90)
        assert (prep.queue, prep.pool, prep.retries) == ("default", "small", 7)

    def test_the_tasks_around_the_stages(self, root):
        task = self.settings(
            root, {"open_workspace": {"queue": "main"}, "save_run": {"retries": 4}}
        )
        assert task("open_workspace").queue == "main"
        assert task("save_run").retries == 4
        assert task("prep").queue == "default"

    def test_dvc_yaml_can_say_it_and_the_dag_file_has_the_last_word(self, root):
        text = (root / "dvc.yaml").read_text()
        meta = "meta: {airflow: {queue: mail, retries: 5, execution_timeout: 60}, own: 1}"
        (root / "dvc.yaml").write_text(
            text.replace("metrics: [r.json]", f"metrics: [r.json], {meta}")
        )
        task = self.settings(root, {"report": {"retries": 6}}, operator_args={"queue": "other"})
        report = task("report")
        assert (report.queue, report.retries) == ("mail", 6)
        assert report.execution_timeout.seconds == 60

    def test_what_meta_may_not_say_names_file_and_line(self, root):
        text = (root / "dvc.yaml").read_text()
        meta = "meta: {airflow: {quue: mail}}"
        (root / "dvc.yaml").write_text(
            text.replace("metrics: [r.json]", f"metrics: [r.json], {meta}")
        )
        with pytest.raises(PipelineError, match=r"dvc\.yaml:9: .*'report' has 'quue'; allowed are"):
            draw(root)

    def test_stages_of_one_task_must_agree_unless_the_task_is_named(self, root):
        stages = {"train@a": {"queue": "x"}, "train@b": {"queue": "y"}}
        grouped = {"granularity": {"both": ["train"]}}
        with pytest.raises(GroupingError, match="'train@a' and 'train@b' are one task, 'both'"):
            self.settings(root, stages, **grouped)
        task = self.settings(root, {**stages, "both": {"queue": "z"}}, **grouped)
        assert task("both").queue == "z"

    def test_a_name_that_is_no_task_is_refused(self, root):
        with pytest.raises(GroupingError, match=r"'trian', which is no stage.*there is .*report"):
            self.settings(root, {"trian": {"queue": "x"}})

    def test_what_follows_from_the_pipeline_cannot_be_set(self, root):
        with pytest.raises(GroupingError, match="sets 'stages' for 'prep'"):
            self.settings(root, {"prep": {"stages": []}})


def test_results_of_another_group_of_the_dag_are_not_this_runs(root):
    with DAG("demo", schedule=None) as dag:
        groups = [
            DvcTaskGroup(project=root, group_id=name, prefix_group_id=True)
            for name in ("first", "second")
        ]
        groups[0] >> groups[1]

    def pull(task_ids):
        stage = task_ids.rpartition(".")[2]
        entry = {"stage": stage, "lock_file": "dvc.lock", "lock_name": stage, "lock": task_ids}
        return {"stages": [entry]}

    context = {"ti": SimpleNamespace(xcom_pull=pull)}
    entries = dag.get_task("second.report")._upstream_entries(context)["dvc.lock"]
    assert set(entries.values()) == {"second.prep", "second.train__a", "second.train__b"}


def test_braces_in_names_are_no_templates(write_project):
    root = write_project(
        {
            "dvc.yaml": """
                stages:
                  s:
                    foreach: ['{{ ds }}', '{% raise %}']
                    do: {cmd: 'echo {{ nope.x }}', outs: ['o/{{ item }}-${item}'], desc: '{{'}
                """
        }
    )
    dag, _ = draw(root, execution=ExecutionConfig(env={"DAY": "{{ ds }}"}))
    task = dag.get_task("s_____ds___")
    before = (task.stages, task.makes, task.doc_md, task.doc, task.outlets[0].name)

    task.render_template_fields({"ds": "2026-01-01"})

    assert (task.stages, task.makes, task.doc_md, task.doc, task.outlets[0].name) == before
    assert before[0] == ["s@{{ ds }}"]
    assert task.env == {"DAY": "2026-01-01"}
    assert dag.get_task("s_____raise___").stages == ["s@{% raise %}"]
