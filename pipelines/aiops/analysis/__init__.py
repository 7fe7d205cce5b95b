"""One analysis: a window of time, and a place (a folder) that its results lie in.

`window` says which time, `results` where each window's results lie, `findings_file` how findings
are written. The stages metric_anomalies, log_anomalies, map_services and group_incidents use them.
"""
