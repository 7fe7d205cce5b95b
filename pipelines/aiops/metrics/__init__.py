"""Anomalies in metrics."""
