"""The seal around a process on trial: what it sees of this machine, how it is held to that, and what else it tried."""
