"""How fast servers answer the same requests with the same model, beside what the machine can do at most.

`contestants` says which servers there are and makes ready what they need, `running` starts one and stops it,
`machine` reads the kernel's counters, `load` asks the server, `record` keeps what was measured, `figures` makes medians
and ratios of it, and `chart` and `page` show them. What runs in the servers' own environments is in `servers/`.
"""
