"""The DAG telemetry_anomalies; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.telemetry_anomalies import telemetry_anomalies

dag = telemetry_anomalies(__file__)
