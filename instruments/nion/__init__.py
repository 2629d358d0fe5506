"""Nion Swift's acquisition stack as an instrument, in a server process of its own (docs/nion.md).

Swift is under the GPL: only `instruments.nion.stack` imports it, and only a server that was started with
`python -m instruments.bridge instruments.nion.simulator:make` loads that file. Everything else sees it through the
bridge. `site` holds what differs from column to column, `driver` is the instrument.
"""
