"""The operating system and the identities on it: processes, signals, files, redaction."""
