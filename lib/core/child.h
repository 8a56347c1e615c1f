/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_CHILD_H
#define VARVE_CORE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* What everybody does who starts another program. */

/** vv_child_fork(): fork(2) with all signals held back, in the child until vv_child_detach: one that comes
 *  before it is a program of its own would meet our handlers there, and be lost. */
pid_t vv_child_fork(void);
/** vv_child_detach(in, out, error): in the child, of which only this may be called there: a session of its
 *  own (no terminal), these descriptors as 0, 1 and 2, no other one, and signals as they are by
 *  default.  False: it cannot be. */
bool vv_child_detach(int in, int out, int error);
/** vv_child_end_with(parent, signal): in the child: ${signal} when ${parent} ends.  False: it has ended.
 *  A change of user undoes it. */
bool vv_child_end_with(pid_t parent, int signal);
/** vv_children_count(): if whoever started us ignored the end of its children, so do we, and could not
 *  learn how ours ended; not any more. */
void vv_children_count(void);

#endif
