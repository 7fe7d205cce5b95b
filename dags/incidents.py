"""The DAG incidents; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.incidents import incidents

dag = incidents(__file__)
