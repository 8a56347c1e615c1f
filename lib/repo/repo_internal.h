/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPO_INTERNAL_H
#define VARVE_REPO_REPO_INTERNAL_H

#include "repo/repo.h"

/* Shared by repo.c and repo_init.c only. */

#define REPORTED_MAX 4096u /* problems remembered; what comes later may be told again */

struct repo {
    struct storage *storage; /* borrowed */
    struct keyring *keyring;
    struct local_state *state; /* NULL: none */
    char *cache;               /* "<cache dir>/<repository id>", NULL: none */
    char *cache_root;          /* as given, NULL: none */
    char *state_root;          /* as given, NULL: none */
    const struct vv_clock *clock;
    struct vv_events *events;
    struct vv_cancel *cancel;
    struct site site;
    struct slot_info slot;
    uint32_t epoch;
    _Atomic uint64_t scans;
    struct vv_mutex lock; /* guards what has been reported */
    uint64_t reported[REPORTED_MAX];
    unsigned reported_count;
};

/** repo_make(...): a repo from keys that have been checked; site not yet loaded. */
MUST_CHECK enum vv_rc repo_make(struct storage *st, const struct key_bundle *bundle,
                                const struct config *config, const struct slot_info *slot,
                                const struct repo_options *options, struct repo **ret,
                                struct vv_error *err);
MUST_CHECK enum vv_rc repo_load_site(struct repo *r, struct vv_error *err);

#endif
