"""Measures what the documents quote: speed, faces kept, viewers served."""
