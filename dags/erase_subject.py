"""The DAG erase_subject; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.erase_subject import erase_subject

dag = erase_subject(__file__)
