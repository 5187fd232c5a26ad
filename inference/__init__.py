"""The trained network in its fastest form."""
