"""What a person or a machine sees: one renderer a format. They know findings, but neither rules nor stages."""
