"""Maps as Gaussian random fields: what is known between the places that were measured, and how well.

Exact where few places were measured, from each place's nearest neighbours where many were.
"""
