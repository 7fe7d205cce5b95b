"""The DAG service_map; what it does, needs and writes is said in its description."""

from signalbox_airflow.factories.service_map import service_map

dag = service_map(__file__)
