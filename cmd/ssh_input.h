/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SSH_INPUT_H
#define VARVE_CMD_SSH_INPUT_H

#include "core/thread.h"
#include "secret_input.h"
#include "ssh/ssh_connect.h"

/*
 * What a connection to another host needs of the user: options, their equivalents in the
 * environment (VARVE_SSH_TRANSPORT, VARVE_SSH_COMMAND, VARVE_SSH_IDENTITY, VARVE_SSH_KNOWN_HOSTS,
 * VARVE_SSH_HOST_KEY_FINGERPRINT, VARVE_SSH_ACCEPT_NEW_HOST_KEY), and answers.  A passphrase of a
 * key comes from --ssh-passphrase-file or --ssh-passphrase-command, VARVE_SSH_PASSPHRASE_FILE,
 * VARVE_SSH_PASSPHRASE or VARVE_SSH_PASSPHRASE_COMMAND, a password from the same with
 * VARVE_SSH_PASSWORD; else a terminal is asked.  Each is got once a run, however many connections
 * are made.
 */

/** As given by options; NULL and false: not given. */
struct ssh_given {
    int transport; /* -1: not given, else 0 to 2: auto, libssh2, ssh */
    const char *command;
    const char *identity;
    const char *known_hosts;
    const char *fingerprint;
    const char *passphrase_file;
    const char *passphrase_command;
    bool accept_new_host_key;
};

struct ssh_input {
    struct ssh_options options;
    struct messages *messages;
    struct secret_ways ways[2];   /* by enum ssh_secret_kind */
    struct vv_mutex lock;         /* guards known */
    struct secret_value known[2]; /* for the one key, and the one password */
    char about[2][256];           /* whose: another key's is asked for anew */
    bool ready;
};

/** ssh_input_init(in, given, m, err): VV_EUSAGE for a value of the environment that means nothing.
 *  ${given} stays borrowed. */
MUST_CHECK enum vv_rc ssh_input_init(struct ssh_input *in, const struct ssh_given *given,
                                     struct messages *m, struct vv_error *err);
/** ssh_input_release(in): wipe the secrets; to {0}. */
void ssh_input_release(struct ssh_input *in);

#endif
