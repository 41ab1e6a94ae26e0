"""Runs a command; writes its seconds, exit code, peak KiB and CPU seconds to the file named first.

A process of its own because Linux counts the memory of the starting process, up to the moment of
exec, into the peak of the one it starts: this one has next to nothing, `compare.py` has a lot.
"""

import os
import sys
import time

result, *command = sys.argv[1:]
started = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawnp(command[0], command, os.environ), 0)
seconds = time.perf_counter() - started
with open(result, "w") as file:
    file.write(f"{seconds} {os.waitstatus_to_exitcode(status)} {usage.ru_maxrss} {usage.ru_utime + usage.ru_stime}")
