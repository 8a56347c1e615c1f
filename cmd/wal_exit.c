/* SPDX-License-Identifier: BSD-2-Clause */
/* Exit codes of commands that PostgreSQL runs. */
#include "wal_exit.h"

#include <string.h>

#define CODE_UNKNOWN ((enum exit_code)126) /* of 'wal get': nobody can tell */
#define CODE_PUSH_INTERRUPTED 125

enum wal_use { WAL_USE_NONE, WAL_USE_GET, WAL_USE_PUSH };

/**
 * Which of the two is it?  By its words, since the command line may make no sense.  What stands
 * behind "wal" and is none of the others may have been meant for get.
 */
static enum wal_use
use_of(int argc, char **argv)
{
    static const char *const others[] = {"receive", "list", "check"};
    int at = 1;

    while (at < argc && strcmp(argv[at], "wal") != 0) {
        at++;
    }
    if (at >= argc) {
        return WAL_USE_NONE;
    }
    for (at++; at < argc; at++) {
        if (strcmp(argv[at], "push") == 0) {
            return WAL_USE_PUSH;
        }
        for (size_t i = 0; i < VV_COUNT(others); i++) {
            if (strcmp(argv[at], others[i]) == 0) {
                return WAL_USE_NONE;
            }
        }
        if (strcmp(argv[at], "get") == 0) {
            return WAL_USE_GET;
        }
    }
    return WAL_USE_GET;
}

enum exit_code
wal_exit_code(int argc, char **argv, enum wal_answer answer, enum exit_code code)
{
    enum wal_use use = use_of(argc, argv);

    if (use == WAL_USE_PUSH && answer == WAL_ANSWER_DELIVERED) {
        return EXIT_DONE; /* likewise: else the server would keep it, and all that comes after */
    }
    if (use == WAL_USE_PUSH) {
        return code == EXIT_INTERRUPTED ? (enum exit_code)CODE_PUSH_INTERRUPTED : code;
    }
    if (use != WAL_USE_GET) {
        return code;
    }
    if (answer == WAL_ANSWER_DELIVERED) {
        return EXIT_DONE; /* whatever was said beside that: the file is there, and authentic */
    }
    if (answer == WAL_ANSWER_ABSENT && code == EXIT_DONE) {
        return (enum exit_code)1;
    }
    if (answer == WAL_ANSWER_NONE && code == EXIT_DONE) {
        return EXIT_DONE; /* --help */
    }
    return code == EXIT_INTERRUPTED ? EXIT_INTERRUPTED : CODE_UNKNOWN;
}

int
wal_exit_interrupted(int argc, char **argv)
{
    return use_of(argc, argv) == WAL_USE_PUSH ? CODE_PUSH_INTERRUPTED : EXIT_INTERRUPTED;
}
