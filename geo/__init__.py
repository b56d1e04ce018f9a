"""Where is it?  Points, boundaries, and the spatial SQL."""
