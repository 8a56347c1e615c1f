/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_WAL_EXIT_H
#define VARVE_CMD_WAL_EXIT_H

#include "app.h"

/*
 * Exit codes that PostgreSQL reads.
 *
 * Of a restore command (wal get) it takes 1 to 125 for "there is no such file": recovery ends, and
 * the server goes into production with what it has.  So 1 is for proven absence alone, and everything
 * else, also a command line that cannot be taken apart, gives 126 (interrupted: 130).
 * Of an archive command (wal push) it takes more than 125 for a command that could not be run, and
 * ends its archiver: whatever goes wrong is 1 to 125 (interrupted: 125).  Anything but 0 makes it try
 * again for ever and keep all WAL from then on, until its disk is full: what is wrong with the repository
 * beside the file that was to be stored is told, and no reason for that.
 */

/** wal_exit_code(argc, argv, answer, code): what a run ends with that would end with ${code}. */
enum exit_code wal_exit_code(int argc, char **argv, enum wal_answer answer, enum exit_code code);
/** wal_exit_interrupted(argc, argv): what it ends with when it is ended by a signal. */
int wal_exit_interrupted(int argc, char **argv);

#endif
