"""Metrics, logs and spans of a simulated world, drawn from the faults that its alerts tell of.

`troubles` says what is wrong where and when: the timeline's faults, and such as no alert rule saw.
`troubles` says what a kind of trouble does to a service; `metrics`, `logs` and `spans` show it.
"""
