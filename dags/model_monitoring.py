"""The DAG model_monitoring; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.model_monitoring import model_monitoring

dag = model_monitoring(__file__)
