"""Physics and units: forward models, parameter distributions, posterior updates.

The lowest layer: it imports nothing of this project. To add a prior, write one file here and one YAML
in `conf/prior/`. `bounds` holds the one way by which every number that crosses a border is checked.
"""
