"""The DAG batch_scoring; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.batch_scoring import batch_scoring

dag = batch_scoring(__file__)
