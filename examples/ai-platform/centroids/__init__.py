"""A handwritten digit by its nearest centroid: an AI Platform custom prediction routine, without torch."""
