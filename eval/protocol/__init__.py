"""How videos are looked at: protocol cards, and clips as metrics see them."""
