"""Progress bars: tqdm's, which in a notebook are the notebook's own.

`tqdm.auto` makes the same choice, and loads asyncio and ssl for it, which takes as long as an answer.
"""

import sys

if "ipykernel" in sys.modules:  # a notebook, which has loaded it before anything else
    from tqdm.auto import tqdm
else:
    from tqdm import tqdm

__all__ = ["tqdm"]
