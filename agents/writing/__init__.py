"""Agents that write a target pattern with a biased tip: a fixed raster, and one that looks at what it wrote.

They are told the target and the surface before as images, and act with (x0, y0, x1, y1, bias, speed) or, where the tool
is a pulse, (x, y, bias, width), all in [-1, 1] over the square that the images show.
"""
