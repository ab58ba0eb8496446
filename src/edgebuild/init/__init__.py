"""`edgebuild init`: the template, filled in for somebody's data and network, put into his repository.

``find`` looks at data and network, ``values`` fills in params.yaml, ``declare`` and ``template`` make
the other files, ``plan`` puts them together and ``write`` compares with what is there; nothing is
written before all of it is known to be possible.
"""
