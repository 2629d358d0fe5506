"""Finders: where the atoms are in an image, for `environments.perception.Perceiving`. One file each."""
