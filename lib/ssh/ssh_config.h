/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SSH_CONFIG_H
#define VARVE_SSH_SSH_CONFIG_H

#include "core/bytes.h"
#include "core/thread.h"
#include "ssh/ssh_key.h"

/* What the ssh configuration says about a host, as `ssh -G` tells it, and what follows from that. */

enum { SSH_CONFIG_FILES = 16 }; /* of a list; what is beyond is not looked at */

struct ssh_config_list {
    const char *items[SSH_CONFIG_FILES];
    size_t count;
};

/** All text is in `text`; NULL: not set.  Release with ssh_config_release. */
struct ssh_config {
    bool known; /* `ssh -G` has answered; else nothing below is set */
    struct vv_buf text;
    const char *host_name;
    const char *user;
    unsigned port; /* 0: not set */
    const char *host_key_alias;
    struct ssh_config_list identities; /* may begin with "~/" */
    struct ssh_config_list certificates;
    bool identities_only;
    const char *identity_agent; /* "none", or a socket's path */
    struct ssh_config_list user_known_hosts;
    struct ssh_config_list global_known_hosts;
    bool hash_known_hosts;
    bool accept_new; /* StrictHostKeyChecking is accept-new or no */
    const char *address_family;
    const char *ciphers;
    /* What only the ssh command can do. */
    const char *proxy_jump;
    const char *proxy_command;
    const char *control_path;
    const char *bind_address;
    const char *bind_interface;
    const char *known_hosts_command;
    const char *revoked_host_keys;
    const char *pkcs11_provider;
    bool verify_host_key_dns;
    bool gssapi;
    bool host_based;
};

/** ssh_config_parse(text, ret, err): what `ssh -G` printed; VV_EUNSUPPORTED if it is something
 *  else.  Unknown words are passed over. */
MUST_CHECK enum vv_rc ssh_config_parse(struct vv_span text, struct ssh_config *ret,
                                       struct vv_error *err);
void ssh_config_release(struct ssh_config *c);

struct ssh_config_query {
    const char *const *command; /* words of the ssh command, NULL at the end */
    const char *host;
    const char *user; /* NULL: none */
    unsigned port;    /* 0: none */
    uint64_t timeout_ms;
    struct vv_cancel *cancel;
};
/** ssh_config_ask(query, ret, err): run `ssh -G`.  VV_ENOTFOUND: there is no such program;
 *  VV_EUNSUPPORTED: it said something else (in the message). */
MUST_CHECK enum vv_rc ssh_config_ask(const struct ssh_config_query *query, struct ssh_config *ret,
                                     struct vv_error *err);

#define SSH_REASON_SIZE 256
/*
 * Must the ssh command be used, since libssh2 cannot do what is wanted?  Each writes why, as the
 * rest of "the ssh command is used: ".  Pure functions.
 */
/** ssh_config_needs_command(c, reason): for what the configuration says. */
bool ssh_config_needs_command(const struct ssh_config *c, char reason[SSH_REASON_SIZE]);
/** ssh_host_keys_need_command(types, authority, reason): for what known_hosts holds of the host. */
bool ssh_host_keys_need_command(ssh_key_types types, bool authority, char reason[SSH_REASON_SIZE]);
/** ssh_key_needs_command(type, path, reason): to log in with this key. */
bool ssh_key_needs_command(enum ssh_key_type type, const char *path, char reason[SSH_REASON_SIZE]);

/** ssh_config_ciphers(c, out): append what to give to ssh as -oCiphers so that AES-GCM, three times
 *  as fast as the usual first choice where the processor has AES, comes first: the ciphers of the
 *  configuration, and no other, if their order is OpenSSH's own.  False: give nothing. */
bool ssh_config_ciphers(const struct ssh_config *c, struct vv_buf *out);

#endif
