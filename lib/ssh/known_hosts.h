/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_KNOWN_HOSTS_H
#define VARVE_SSH_KNOWN_HOSTS_H

#include "core/bytes.h"
#include "ssh/ssh_key.h"

/*
 * known_hosts files as sshd(8) describes them: plain and hashed names, "[host]:port", wildcards and
 * negation, @revoked and @cert-authority.  Lines that cannot be read are passed over, as ssh does.
 *
 * Invariants:
 * K1  a revoked key is KNOWN_HOSTS_REVOKED whatever other lines and files say.
 * K2  a matching line beats one that holds another key of that host, whatever their order.
 * K3  a line whose negated pattern fits the host says nothing about it.
 */

enum known_hosts_verdict { /* a larger one beats a smaller one */
                           KNOWN_HOSTS_UNKNOWN,
                           KNOWN_HOSTS_MISMATCH, /* other keys of this host are known, not this one */
                           KNOWN_HOSTS_MATCH,
                           KNOWN_HOSTS_REVOKED,
};

struct known_hosts_findings {
    enum known_hosts_verdict verdict;
    const char *file; /* of the verdict: the text given to known_hosts_search */
    unsigned line;    /* counted from 1 */
    enum ssh_key_type type;
    char fingerprint[SSH_FINGERPRINT_SIZE]; /* of the key in that line */
    ssh_key_types types; /* of all keys known for the host, revoked ones and authorities aside */
    bool authority;      /* a @cert-authority line is for this host */
};

/** known_hosts_name(host, port, out): the name a host is looked up by, in lower case: "host", or
 *  "[host]:port" if the port is not 22. */
void known_hosts_name(const char *host, unsigned port, struct vv_buf *out);

/** known_hosts_search(text, file, name, key, f, err): look for ${name} in a file's ${text}, and
 *  better ${f}, which began as {0}; call for one file after the other.  ${key}: the public key that
 *  the server has shown, empty if it has not yet (then only types and authority are found). */
MUST_CHECK enum vv_rc known_hosts_search(struct vv_span text, const char *file, const char *name,
                                         struct vv_span key, struct known_hosts_findings *f,
                                         struct vv_error *err);

/** known_hosts_line(name, key, hashed, out, err): append a line, with its end, that makes ${key}
 *  known for ${name}. */
MUST_CHECK enum vv_rc known_hosts_line(const char *name, struct vv_span key, bool hashed,
                                       struct vv_buf *out, struct vv_error *err);

/** known_hosts_append(path, name, key, hashed, err): add that line to a file, which is made (mode
 *  0600, its directory 0700) if it is not there.  One write at the end of the file: what others
 *  append at the same time stays whole. */
MUST_CHECK enum vv_rc known_hosts_append(const char *path, const char *name, struct vv_span key,
                                         bool hashed, struct vv_error *err);

enum { KNOWN_HOSTS_MAX = 64 << 20 }; /* bytes of a file that are read at most */

#endif
