"""The DAG alert_noise_reduction; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.alert_noise_reduction import alert_noise_reduction

dag = alert_noise_reduction(__file__)
