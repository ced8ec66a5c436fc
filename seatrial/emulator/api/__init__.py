"""The control plane: what each call of Vertex AI's API does to the emulator's state."""
