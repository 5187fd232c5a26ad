"""Saved videos: from a file to an annotated video, a table and a timeline."""
