"""Tests of `seatrial init`."""
