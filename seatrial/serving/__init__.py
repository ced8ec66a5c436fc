"""The serving runtime: it ships beside a predictor and answers for it under Vertex AI's contract.

It is a wheel of its own in which `seatrial` is a namespace package. It imports nothing else of seatrial, only
the standard library and uvicorn; Pillow, torch and NumPy are the predictor's own, imported only where it uses
them.
"""
