/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_HELPER_SSHD_H
#define VARVE_TESTS_HELPER_SSHD_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * A real sshd of our own on a free port of 127.0.0.1, in a temporary directory with keys for hosts
 * and users, and an `ssh` first in PATH that reads no configuration but DIR/ssh_config.  Works as
 * root and as any user (who logs in is who runs the test).
 *
 *   DIR/host_{ed25519,ecdsa,rsa}           host keys
 *   DIR/user_{ed25519,ecdsa,rsa,locked}    allowed to log in; the last one has the passphrase below
 *   DIR/other_ed25519                      not allowed
 *   DIR/known_hosts                        what ssh_config names; may not exist
 */
#define SSHD_PASSPHRASE "three word passphrase"
#define SSHD_PATH 256

struct sshd {
    char dir[64];
    unsigned port;
    pid_t pid;       /* 0: not running */
    bool own_shadow; /* the next server sees DIR/shadow as /etc/shadow (only root can) */
};

/** sshd_prepare(s): directory and keys, no server yet; false if there is no sshd here. */
bool sshd_prepare(struct sshd *s);
/** sshd_start(s, host_keys, lines): with these host keys ("ed25519 rsa") and lines of sshd_config
 *  that come first (NULL: none), on a new port.  Returns when it takes connections. */
void sshd_start(struct sshd *s, const char *host_keys, const char *lines);
/** sshd_stop(s): end it, and whatever it has started, by process id. */
void sshd_stop(struct sshd *s);
/** sshd_dispose(s): stop it and remove the directory. */
void sshd_dispose(struct sshd *s);

/** sshd_path(s, name): DIR/name, good until four calls later. */
const char *sshd_path(const struct sshd *s, const char *name);
/** sshd_write(s, name, text): make a file there.  sshd_run(s, fmt, ...): a command of sh in DIR that
 *  must succeed.  sshd_read(s, name): a file's text, good until the next call. */
void sshd_write(const struct sshd *s, const char *name, const char *text);
void sshd_run(const struct sshd *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *sshd_read(const struct sshd *s, const char *name);
/** sshd_knows(s, name, key): known_hosts gets a line for ${name} ("[127.0.0.1]:port" if NULL) with
 *  the public key DIR/key.pub, after ${marker}. */
void sshd_knows(const struct sshd *s, const char *marker, const char *name, const char *key);
/** sshd_fingerprint(s, key): "SHA256:..." by ssh-keygen; good until the next call. */
const char *sshd_fingerprint(const struct sshd *s, const char *key);

#endif
