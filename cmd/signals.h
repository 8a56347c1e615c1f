/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SIGNALS_H
#define VARVE_CMD_SIGNALS_H

#include <termios.h>

#include "core/thread.h"

/*
 * SIGINT, SIGTERM and SIGHUP ask for a clean stop; whatever has not stopped after 0.9 s is ended,
 * and so is everything by a second signal (nothing committed is lost by that).  A closed pipe or a
 * file-size limit is an error of the write that meets it, never the end of the process.
 */
void signals_install(void);
/** signals_exit_with(code): what is ended so ends with this instead of 130. */
void signals_exit_with(int code);
/** signals_wait_for_cleanup(): from now on the first signal gives no deadline: what was started is ended
 *  and removed first.  A second one still ends everything. */
void signals_wait_for_cleanup(void);
/** signals_serve(grace_s): for a service: from now on the first SIGTERM or SIGINT only makes signals_stop_wanted
 *  true; the second, or so many seconds, ask for a clean stop, and what has not stopped after as many
 *  again is ended.  SIGHUP makes signals_reload_wanted true, once each.  *ret_fd becomes readable when one
 *  comes. */
MUST_CHECK enum vv_rc signals_serve(unsigned grace_s, int *ret_fd, struct vv_error *err);
bool signals_stop_wanted(void);
bool signals_reload_wanted(void);
/** signals_cancel(): the request to stop, set by the first signal. */
struct vv_cancel *signals_cancel(void);

/** signals_terminal_changed(fd, saved): the terminal ${fd} is without echo from now on: put
 *  ${saved} back if the process is ended by a signal.  signals_terminal_restored(): it is back. */
void signals_terminal_changed(int fd, const struct termios *saved);
void signals_terminal_restored(void);

#endif
