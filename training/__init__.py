"""How the demo predictor was trained. It never ships."""
