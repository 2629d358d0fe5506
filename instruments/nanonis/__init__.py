"""Nanonis controllers over their TCP protocol: own codec, a driver, and a server of the protocol over our twins.

The bytes follow the published description of the interface and what two published clients accept; nothing here was run
against a real controller (docs/nanonis.md says what to check there).
"""
