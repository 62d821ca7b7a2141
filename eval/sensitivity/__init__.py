"""How fragile a number is: the same videos, changed a little, measured again."""
