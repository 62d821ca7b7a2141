"""How fast systems are: runs of their command lines, and what follows from them."""
