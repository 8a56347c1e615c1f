/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_RELAY_INTERNAL_H
#define VARVE_SERVICE_RELAY_INTERNAL_H

#include <poll.h>

#include "core/thread.h"
#include "service/output_tail.h"

/*
 * What a program says on standard error, on its way to ours: through a pipe, remembered in a tail.
 *
 * It never waits: what ours does not take yet is kept (one page), and nothing more is read meanwhile, so that
 * whoever talks to somebody who does not listen waits as it would without us, and can be ended.
 */
struct relay {
    int from; /* our end; -1: none */
    struct output_tail *tail;
    uint8_t pending[4096]; /* less than what a pipe takes at once */
    size_t at;
    size_t len;
};
#define RELAY_ENVIRONMENT 2
/** relay_open(r, tail, ret_theirs, err): ${tail} NULL: a relay that does nothing, and *ret_theirs -1. */
MUST_CHECK enum vv_rc relay_open(struct relay *r, struct output_tail *tail, int *ret_theirs,
                                 struct vv_error *err);
/** relay_environment(r, theirs, texts): what tells the program that this pipe leads to a terminal, or to the
 *  journal; as many as there are. */
size_t relay_environment(const struct relay *r, int theirs, char texts[RELAY_ENVIRONMENT][96]);
/** relay_wants(r): what to poll for. */
struct pollfd relay_wants(const struct relay *r);
/** relay_go_on(r, p): what poll said of that. */
void relay_go_on(struct relay *r, const struct pollfd *p);
/** relay_finish(r, end, cancel): pass on what is there now, and close: if somebody has inherited the other end, what it
 *  says later has nowhere to go.  RELAY_PATIENT: waiting until ours takes it, as for what we say ourselves, or until ${cancel}. */
enum relay_end { RELAY_PATIENT, RELAY_HURRIED };
void relay_finish(struct relay *r, enum relay_end end, struct vv_cancel *cancel);

#endif
