"""The cheap graph: what dvc.yaml says, read without importing DVC or Airflow.

An Airflow DAG file is parsed every few seconds, by several processes; importing DVC
there would cost more than everything else. So this package reads dvc.yaml itself.
It follows DVC's own resolver to the letter, and a test holds the two equal.
"""

from dvc_airflow.graph.model import Dep, Graph, Out, Stage
from dvc_airflow.graph.project import load_graph
from dvc_airflow.graph.targets import select_stages

__all__ = ["Dep", "Graph", "Out", "Stage", "load_graph", "select_stages"]
