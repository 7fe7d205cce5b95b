"""Service map: who calls whom, how often, how fast, with which errors; from spans.

`build` makes a map of spans and merges maps, `model` holds, writes and reads them,
`edge_changes` compares two, `impact` says who depends on a service, `change_impact` what moved
after a change.
"""
