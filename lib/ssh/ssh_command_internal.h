/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SSH_COMMAND_INTERNAL_H
#define VARVE_SSH_SSH_COMMAND_INTERNAL_H

#include "ssh/ssh_plan_internal.h"

/* What the ssh command is told, and what is made of its answers.  Pure but for the messages' look
 * into known_hosts. */

enum { SSH_COMMAND_WORDS = SSH_PLAN_WORDS + 48 };

/** The line by which our KnownHostsCommand tells of the key the server shows: this, then type,
 *  fingerprint and base64 of the key. */
#define SSH_COMMAND_TELLS "varve-host-key:"

/** What ssh wrote to its standard error, taken apart. */
struct ssh_command_said {
    struct vv_buf text; /* without the lines that begin with SSH_COMMAND_TELLS */
    char type[64];      /* of the host's key, "" if not told */
    char fingerprint[SSH_FINGERPRINT_SIZE];
    struct vv_buf key; /* the host's key, empty if not told */
};
/** ssh_command_said_parse(raw, ret): release ${ret} with ssh_command_said_release. */
void ssh_command_said_parse(struct vv_span raw, struct ssh_command_said *ret);
void ssh_command_said_release(struct ssh_command_said *s);

enum ssh_command_trouble {
    SSH_TROUBLE_LOST,         /* anything else: the connection ended */
    SSH_TROUBLE_HOST_UNKNOWN, /* no key of this host is known */
    SSH_TROUBLE_HOST_CHANGED,
    SSH_TROUBLE_HOST_REVOKED,
    SSH_TROUBLE_HOST_KEY, /* refused for another reason */
    SSH_TROUBLE_DENIED,   /* the credentials */
    SSH_TROUBLE_REFUSED,  /* connection refused */
    SSH_TROUBLE_TIMEOUT,
    SSH_TROUBLE_NAME,      /* the host's name cannot be resolved */
    SSH_TROUBLE_METHODS,   /* nothing in common */
    SSH_TROUBLE_SUBSYSTEM, /* no SFTP server there */
    SSH_TROUBLE_USAGE,     /* it does not know an option, or its configuration is wrong */
};
/** ssh_command_trouble(text): which of these ssh's words mean. */
enum ssh_command_trouble ssh_command_trouble(const char *text);

/** ssh_command_explain(p, raw, err): turn what ssh said into an error as libssh2's side has it.
 *  Returns its category; *ret_key is emptied, or holds the host's key if it is merely unknown, or
 *  not the pinned one. */
enum vv_rc ssh_command_explain(const struct ssh_plan *p, struct vv_span raw, struct vv_buf *ret_key,
                               struct vv_error *err);

/** Words for argv, kept until released. */
struct ssh_words {
    char *list[SSH_COMMAND_WORDS + 1];
    size_t count;
    bool failed;
};
/** ssh_command_words(p, host_key, remote, out, err): the whole command line.  ${host_key}: the one
 *  type of host key to ask for, NULL: as configured.  ${remote}: a command to be run there, NULL: the
 *  SFTP subsystem. */
MUST_CHECK enum vv_rc ssh_command_words(const struct ssh_plan *p, const char *host_key,
                                        const char *remote, struct ssh_words *out,
                                        struct vv_error *err);
void ssh_words_release(struct ssh_words *w);

#endif
