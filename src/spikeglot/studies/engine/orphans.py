"""A worker ends when the process that started it is gone: otherwise it would go on with runs that are begun again."""

from __future__ import annotations

import os
import threading
import time
from functools import cache

LOOK_EVERY_S = 0.2


@cache
def end_with_parent(parent_id: int) -> None:
    """End this process soon after its parent, the process ``parent_id``, has ended; in any other, do nothing.

    A killed process cannot tell its workers, and those of joblib never find out on Linux and macOS.
    """
    if os.getpid() != parent_id:
        threading.Thread(target=_watch, args=(parent_id,), daemon=True).start()


def _watch(parent_id: int) -> None:
    while os.getppid() == parent_id:
        time.sleep(LOOK_EVERY_S)
    os._exit(1)
