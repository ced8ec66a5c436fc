"""The contract of Vertex AI with a container that serves predictions, as named checks of any server.

A check is one function under one row: its name, whether it is required, and the public source. It asks through raw
sockets, so that it can send what no client library sends. `suite` runs them; `page` writes docs/contract.md of them.
Nothing here knows a project or a predictor.
"""
