"""How the demo predictor was trained. Never ships."""
