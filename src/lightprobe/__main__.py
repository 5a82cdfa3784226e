"""`python -m lightprobe`."""

import sys

from lightprobe.cli import main

sys.exit(main())
