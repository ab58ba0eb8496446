"""Formats: one module per kind of file. They know their file and its runtime, and never each other."""
