"""What a group draws into a DAG."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import ParamValidationError

from dvc_airflow import DvcTaskGroup, ExecutionConfig, ProjectConfig, RenderConfig, WorkspaceConfig
from dvc_airflow.errors import PipelineError

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
