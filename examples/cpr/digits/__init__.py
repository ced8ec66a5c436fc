"""A handwritten digit on an image: a Vertex AI custom prediction routine (CPR)."""
