"""Everything that speaks Vertex AI's API."""
