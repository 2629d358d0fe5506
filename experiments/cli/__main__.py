"""`python -m experiments.cli` is `probewright`."""

import sys

from experiments.cli.app import main

sys.exit(main())
