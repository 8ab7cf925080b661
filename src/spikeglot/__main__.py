"""``python -m spikeglot`` is the shell command ``spikeglot``."""

import sys

from spikeglot.cli import main

sys.exit(main())
