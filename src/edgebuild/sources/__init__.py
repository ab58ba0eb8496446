"""Where data comes from: sources behind one protocol, split by class, described by a card."""
