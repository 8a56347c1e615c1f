/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_RUN_HISTORY_INTERNAL_H
#define VARVE_SERVICE_RUN_HISTORY_INTERNAL_H

#include "service/run_history.h"

/* Shared by run_history.c and run_history_read.c. */
struct run_history {
    struct database *database;
};

#endif
