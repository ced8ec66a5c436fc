"""What a person or a machine gets to see: one renderer a format. None of them knows a rule or a stage."""
