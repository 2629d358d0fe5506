"""MLflow as a projection of the journal: a process of its own, rebuilt by `sync`, never in the way of the loop.

`start` spawns the projector beside a campaign, `Projection.finish` waits for its last records, `sync` projects
what is missing, `ui_command` opens MLflow's own UI. Importing this loads no MLflow: only the projector and `sync`
do. It may import the journal and the configuration; nothing but the campaign and the command line imports it.
"""

from experiments.tracking.address import ui_command
from experiments.tracking.process import Projection, start
from experiments.tracking.sync import Synced, sync

__all__ = ["Projection", "Synced", "start", "sync", "ui_command"]
