/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_ACTION_H
#define VARVE_TESTS_ACTION_H

#include "core/event.h"
#include "repo/repo.h"
#include "simulation/world.h"

/* What a process is to do; shared by actions*.c. */
struct action {
    struct world *world;
    unsigned host;
    unsigned site;
    unsigned other; /* a replication's destination */
    unsigned record;
    struct vv_events events; /* the words of a run, for --verbose */
    char state[160];
    char cache[160];
};

/** action_open(a, s, keyless, err): the site as the host's process opens it; NULL: with ${err}, and
 *  the round has failed. */
struct repo *action_open(struct action *a, struct storage *s, bool keyless, struct vv_error *err);

/* actions_maintenance.c: bodies of processes */
void action_forget(void *arg);
void action_undelete(void *arg);
void action_prune(void *arg);

#endif
