"""Artifacts that lie in Cloud Storage: locked by `locking`, brought by `fetching`, kept by `kept`, read from `source`.

After a fetch they are a folder in the cache, and nothing else of the tool knows where they came from.
"""
