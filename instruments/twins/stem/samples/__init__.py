"""Samples: lattices of sites that all worlds of a batch share, and recipes that fill them with atoms.

One file for each family of materials. The crystals are built with ASE, which is imported when a sample is built.
"""

from instruments.twins.stem.samples.dichalcogenide import Dichalcogenide
from instruments.twins.stem.samples.file import StructureFile
from instruments.twins.stem.samples.graphene import Graphene
from instruments.twins.stem.samples.oxide import StrontiumTitanate, TitanateInterface
from instruments.twins.stem.samples.particle import Nanoparticle
from instruments.twins.stem.samples.sites import Recipe, Sites

__all__ = [
    "Dichalcogenide",
    "Graphene",
    "Nanoparticle",
    "Recipe",
    "Sites",
    "StrontiumTitanate",
    "StructureFile",
    "TitanateInterface",
]
