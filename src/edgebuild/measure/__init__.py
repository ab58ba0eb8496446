"""Measurement: accuracy, agreement, size, latency and memory, and their tables and plots."""
