"""The DAG collect_telemetry; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.collect_telemetry import collect_telemetry

dag = collect_telemetry(__file__)
