"""The source of published libraries as facts: which names their modules define, in which releases."""
