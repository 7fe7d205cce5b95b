"""Service map: who calls whom, how often, how fast, with which errors; from spans.

`build` makes a map of spans, `model` holds, writes, reads and merges maps, `diff` compares two,
`impact` says who depends on a service, `change` what moved after a change.
"""
