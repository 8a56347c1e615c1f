/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SSH_SOCKET_INTERNAL_H
#define VARVE_SSH_SSH_SOCKET_INTERNAL_H

#include "ssh/ssh_plan_internal.h"

/** ssh_socket_connect(p, ret, err): a non-blocking TCP connection to the plan's host and port; all of
 *  its addresses are tried, each with its share of the time left. */
MUST_CHECK enum vv_rc ssh_socket_connect(const struct ssh_plan *p, int *ret, struct vv_error *err);

/** ssh_say_timeout(p, what, err): VV_ETRANSIENT: the host has not done ${what} in time. */
enum vv_rc ssh_say_timeout(const struct ssh_plan *p, const char *what, struct vv_error *err);

struct addrinfo;
/** ssh_resolve(p, ret, err): the addresses of the plan's host; free them with freeaddrinfo.
 *  VV_ETRANSIENT if there are none, or if nobody has answered within the plan's time. */
MUST_CHECK enum vv_rc ssh_resolve(const struct ssh_plan *p, struct addrinfo **ret,
                                  struct vv_error *err);

#endif
