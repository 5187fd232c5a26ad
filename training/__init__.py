"""Trains the network on FER2013 and evaluates it."""
