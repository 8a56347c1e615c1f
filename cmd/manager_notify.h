/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_MANAGER_NOTIFY_H
#define VARVE_CMD_MANAGER_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "core/event.h"
#include "core/thread.h"

/*
 * What systemd wants to be told by a service (sd_notify(3)): datagrams to NOTIFY_SOCKET.  With WATCHDOG_USEC
 * a thread says that we are alive, as long as manager_alive was called, or the counters of `progress` have
 * moved, within ten minutes.  Without a manager all of this does nothing.
 */
struct manager {
    int fd; /* -1: nobody is to be told */
    struct sockaddr_un address;
    socklen_t address_len;
    uint64_t watchdog_ms; /* 0: none */
    const struct vv_progress *progress;
    _Atomic uint64_t alive_ns; /* monotonic */
    struct vv_thread thread;
    struct vv_mutex lock;
    struct vv_cond end;
    bool ending;
    bool begun;
};

/** manager_begin(m, progress, err): look at the environment; ${progress} may be NULL. */
MUST_CHECK enum vv_rc manager_begin(struct manager *m, const struct vv_progress *progress,
                                    struct vv_error *err);
/** manager_end(m): also of one that was not begun, all zero. */
void manager_end(struct manager *m);
/** manager_say(m, fmt, ...): "READY=1" and the like. */
void manager_say(const struct manager *m, const char *fmt, ...) VV_PRINTF(2, 3);
void manager_alive(struct manager *m);

#endif
