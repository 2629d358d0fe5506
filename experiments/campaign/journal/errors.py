"""The exception tree of the journal.

JournalError
├── JournalDamaged      the file is no journal, of a newer version, or an artifact does not match its hash
├── JournalHeld         a live process is writing it
├── Fenced              another process has taken the journal over: this one must stop
└── JournalFull         the disk is full, or a quota is used up
"""

from __future__ import annotations


class JournalError(Exception):
    """The journal cannot be written or read."""


class JournalDamaged(JournalError):
    """What was read is not what a journal holds."""


class JournalHeld(JournalError):
    """Another process is running this campaign."""


class Fenced(JournalError):
    """Another process took this campaign over."""


class JournalFull(JournalError):
    """There is no room left on the disk."""
