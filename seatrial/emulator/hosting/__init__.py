"""What really runs deployed models: processes, containers, and the bucket that they load from."""
