#!/bin/bash
# Describe the tree in the current directory: type, mode, time, size, name, target; then contents.
find . -mindepth 1 ! -type d -printf '%y %m %T@ %s %n %p %l\0' | sort -z | tr '\0' '\n'
find . -mindepth 1 -type d -printf '%y %m %T@ %p\0' | sort -z | tr '\0' '\n'
find . -type f -print0 | sort -z | xargs -0 sha256sum
