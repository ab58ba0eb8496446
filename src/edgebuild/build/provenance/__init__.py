"""Provenance: a signed statement of what was built from what, where and by whom, that others can check.

statement   what is said: an in-toto Statement with SLSA's provenance as predicate
envelope    how it is signed: DSSE, with keys in PEM files
check       whether a signed statement holds for the files that lie here
"""
