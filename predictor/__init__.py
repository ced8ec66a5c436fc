"""What ships: a classifier of handwritten digits, and everything that its class needs to answer a request.

It knows nothing of how it was trained or of the server that runs it.
"""

from predictor.digit_predictor import DigitPredictor

__all__ = ["DigitPredictor"]
