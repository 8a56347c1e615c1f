#!/usr/bin/python3
"""Print the data extents of every file with holes below a directory."""
import errno
import os
import sys

for directory, _, names in sorted(os.walk(sys.argv[1].encode())):
    for name in sorted(names):
        path = os.path.join(directory, name)
        st = os.lstat(path)
        if not os.path.isfile(path) or os.path.islink(path) or st.st_blocks * 512 >= st.st_size:
            continue
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        at, found = 0, []
        while at < st.st_size:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as e:
                if e.errno != errno.ENXIO:
                    raise
                break
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, at))
        os.close(fd)
        print(repr(path), st.st_size, found)
