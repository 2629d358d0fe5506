"""The journal: one SQLite file per campaign, the only source of truth, readable while it is written.

`Journal` writes (one writer, fenced), `open_reader` reads from any process, `is_held` says whether a live
process is writing.
"""

from experiments.campaign.journal.errors import Fenced, JournalDamaged, JournalError, JournalFull, JournalHeld
from experiments.campaign.journal.lease import is_held
from experiments.campaign.journal.reader import Event, Reader, open_reader
from experiments.campaign.journal.writer import Journal

__all__ = [
    "Event",
    "Fenced",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalFull",
    "JournalHeld",
    "Reader",
    "is_held",
    "open_reader",
]
