"""A local Vertex AI: a control plane that speaks the API's own protocols and really runs what is deployed to it.

It answers with Google's published types, names and texts, so the deployer that is rehearsed is the one that ships. It
does not claim to know what only the cloud knows: permissions, quota and durations are set by faults.
"""
