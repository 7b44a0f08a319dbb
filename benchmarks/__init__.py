"""How fast, how lean and how small: figures, beside the goals that they should meet."""
