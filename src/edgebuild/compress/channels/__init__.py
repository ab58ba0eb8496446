"""Structured pruning: networks that are smaller in every runtime, because whole channels are gone.

In the order of their use: ``analyse`` finds which channels can only go
together, ``importance`` scores them, ``choose`` decides how many of which stay
(by a ``cost``), ``shrink`` makes the smaller network.
"""
