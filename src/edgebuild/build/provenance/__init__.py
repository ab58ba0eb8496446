"""Provenance: a signed statement of what was built from what, where and by whom, that others can check.

`gather` collects the evidence of a build that ``edgebuild verify`` has made, `statement`
says it in the words of in-toto and SLSA, `envelope` signs it with a key in a PEM file,
`write` writes it, and `check` tells whether one holds for the files that lie here.
"""
