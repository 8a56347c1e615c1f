/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SSH_CONNECT_H
#define VARVE_SSH_SSH_CONNECT_H

#include "core/clock.h"
#include "core/event.h"
#include "core/thread.h"
#include "ssh/byte_stream.h"

/*
 * From user@host:port to a byte stream that speaks SFTP.  `auto` chooses libssh2, which needs
 * nothing installed, unless the ssh configuration of that host (`ssh -G`), the type of the only
 * usable key, or what the server offers needs the ssh command; it says which it chose and why
 * (event "ssh-transport").  Never a fall-back after a host key mismatch or a refused credential
 * that the other transport would use just the same.
 */
enum ssh_transport { SSH_AUTO, SSH_LIBSSH2, SSH_COMMAND };

struct ssh_target {
    const char *user; /* NULL: the ssh configuration's, else this user's name */
    const char *host;
    unsigned port; /* 0: the ssh configuration's, else 22 */
};

enum ssh_secret_kind { SSH_KEY_PASSPHRASE, SSH_PASSWORD };
/** Asks for a secret; VV_ENOTFOUND: there is none (then that way is not tried).  ${about} is the
 *  key file's path or user@host. ${attempt} counts from 0. */
typedef enum vv_rc ssh_secret_fn(void *ctx, enum ssh_secret_kind kind, const char *about,
                                 unsigned attempt, struct vv_buf *out, struct vv_error *err);
/** Shows the fingerprint of an unknown host's key and asks; true: accept and remember. */
typedef bool ssh_ask_host_fn(void *ctx, const char *host, const char *key_type,
                             const char *fingerprint);

struct ssh_options {
    enum ssh_transport transport;
    const char *command;  /* --ssh-command: program and arguments, split at blanks; NULL: "ssh" */
    const char *identity; /* key file to use; NULL: the agent's, then the usual ones */
    const char *known_hosts;  /* NULL: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts */
    const char *fingerprint;  /* "SHA256:..." pinned: nothing else is accepted, no file is asked */
    bool accept_new_host_key; /* an unknown host's key is remembered; a changed one never */
    ssh_secret_fn *secret;    /* NULL: none */
    void *secret_ctx;
    ssh_ask_host_fn *ask_host; /* NULL: no terminal: an unknown host is refused */
    void *ask_host_ctx;
    struct vv_events *events;
    struct vv_cancel *cancel;
    const struct vv_clock *clock;
    uint64_t timeout_ms;     /* for connecting and each step of the handshake; 0: 30,000 */
    uint64_t receive_window; /* libssh2: bytes the server may send ahead; 0: 32 MiB */
};

/**
 * ssh_connect(target, options, ret, err): VV_EAUTH: host key unknown, changed or revoked (both
 * fingerprints, file and line of known_hosts, and the exact command that mends it), or credentials
 * refused (which were tried); VV_ETRANSIENT: unreachable, timed out, closed.  Thread-safe.
 */
MUST_CHECK enum vv_rc ssh_connect(const struct ssh_target *target,
                                  const struct ssh_options *options, struct byte_stream **ret,
                                  struct vv_error *err);

/** What the first connection of a target decided; kept by the caller so that further channels of
 *  one storage do the same without deciding (and saying) it again.  Initialise with {0}. */
struct ssh_choice {
    bool made;
    enum ssh_transport transport;
    char reason[256];
};
/** As ssh_connect, with a choice made before, or to be made; not thread-safe in ${choice}. */
MUST_CHECK enum vv_rc ssh_connect_as(const struct ssh_target *target,
                                     const struct ssh_options *options, struct ssh_choice *choice,
                                     struct byte_stream **ret, struct vv_error *err);

/** ssh_run(target, options, command, most, out, err): run ${command} there with the ssh command
 *  (whatever transport was chosen: it must be installed and able to log in by itself) and append up to
 *  ${most} bytes of what it prints.  VV_OK however it ended, also if the server runs something else
 *  instead (ForceCommand): its output must tell.  VV_ETRANSIENT after ten minutes.  Thread-safe. */
MUST_CHECK enum vv_rc ssh_run(const struct ssh_target *target, const struct ssh_options *options,
                              const char *command, size_t most, struct vv_buf *out,
                              struct vv_error *err);

#endif
