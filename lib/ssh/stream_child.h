/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_STREAM_CHILD_H
#define VARVE_SSH_STREAM_CHILD_H

#include "ssh/byte_stream.h"

/**
 * stream_child_new(argv, name, ret, err): run a program in a process group of its own (so that a
 * Ctrl-C on the terminal does not reach it) with its standard input and output as the stream and
 * its standard error captured (the last 4 KiB, escaped when shown by whoever prints it).  All other
 * descriptors are closed in the child.  Ended by closing its input, then SIGTERM (at once, if nothing
 * ever came from it), then SIGKILL, within two seconds, by its process id.
 */
MUST_CHECK enum vv_rc stream_child_new(const char *const argv[], const char *name,
                                       struct byte_stream **ret, struct vv_error *err);

/** stream_child_said(s, out): what it wrote to standard error so far, appended to ${out}. */
void stream_child_said(struct byte_stream *s, struct vv_buf *out);

#endif
