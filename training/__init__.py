"""FER2013, and the networks that are trained on it."""
