"""`python -m experiments.config` prints docs/configuration.md."""

from experiments.config.reference import document

print(document(), end="")
