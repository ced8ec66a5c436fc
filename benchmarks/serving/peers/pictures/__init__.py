"""The predictor of this comparison, in the forms in which servers take one."""
