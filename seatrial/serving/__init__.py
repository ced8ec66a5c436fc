"""The serving runtime: it ships beside a predictor and answers requests for it as Vertex AI asks.

It is a wheel of its own, in which `seatrial` is a namespace package. It imports nothing else of seatrial, only the
standard library and what its own lock names. Pillow, torch and NumPy are the predictor's own and imported only where it
uses them.
"""
