# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# labels: slow
# Backups, prunes, forgets and replications as real processes at once, some of them stopped and killed:
# after each of 20 rounds what was committed and not forgotten is there and restores.
# tests/acceptance/prune-processes.sh has 500.
"$E2E/process-rounds.py" varve "$WORK/rounds" 20 1
