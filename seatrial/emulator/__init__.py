"""A local Vertex AI control plane that speaks the API's own wire and runs what is deployed to it.

It answers with Google's published types, names and texts, so that the deployer that ships to the cloud is the one
that is rehearsed. It never claims what only the cloud can know: permissions, quota and durations are scripted here.
"""
