"""The DAG model_release; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.model_release import model_release

dag = model_release(__file__)
