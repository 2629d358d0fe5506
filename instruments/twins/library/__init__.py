"""Twins of alloys on a lattice: a combinatorial library whose members are frozen, and a layer that orders live."""
