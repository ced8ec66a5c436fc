"""What ships: a classifier of handwritten digits, and everything that its class needs to answer a request.

It knows neither how it was trained nor the server that runs it.
"""

from predictor.digit_predictor import DigitPredictor

__all__ = ["DigitPredictor"]
