/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SSH_PLAN_INTERNAL_H
#define VARVE_SSH_SSH_PLAN_INTERNAL_H

#include "ssh/known_hosts.h"
#include "ssh/ssh_config.h"
#include "ssh/ssh_connect.h"

/* What both transports are to do: target, options and the ssh configuration brought together. */

enum { SSH_PLAN_FILES = 2 * SSH_CONFIG_FILES, SSH_PLAN_WORDS = 24 };

struct ssh_plan {
    const struct ssh_target *target;
    const struct ssh_options *options;
    const struct vv_clock *clock;
    uint64_t timeout_ms;
    char *words[SSH_PLAN_WORDS + 1]; /* of the ssh command */
    struct ssh_config config;
    char *home;
    char *user;                        /* to log in as */
    char *host;                        /* to connect to */
    unsigned port;                     /* to connect to */
    char *name;                        /* "host:port", for messages */
    char *login;                       /* "user@host:port", for messages */
    char *host_name;                   /* what known_hosts is asked for */
    char *bare_name;                   /* the same without a port, or NULL if there is none in it */
    char *known_hosts[SSH_PLAN_FILES]; /* the first is the one that is added to */
    size_t known_hosts_count;
    char *identities[SSH_CONFIG_FILES]; /* key files to try */
    size_t identities_count;
    bool hash_known_hosts;
    bool accept_new;
    bool no_program;          /* there is no ssh command */
    char config_trouble[512]; /* why `ssh -G` did not tell anything; empty: it did */
};

/** ssh_plan_make(target, options, ret, err): asks the ssh command for the configuration if there is
 *  one.  ${ret} refers to ${target} and ${options}.  VV_EUSAGE for what can be no target. */
MUST_CHECK enum vv_rc ssh_plan_make(const struct ssh_target *target,
                                    const struct ssh_options *options, struct ssh_plan *ret,
                                    struct vv_error *err);
void ssh_plan_release(struct ssh_plan *p);

/** ssh_plan_search(p, key, f, err): what the known_hosts files say of the host's ${key} (empty: of
 *  the host).  Files that are not there are passed over. */
MUST_CHECK enum vv_rc ssh_plan_search(const struct ssh_plan *p, struct vv_span key,
                                      struct known_hosts_findings *f, struct vv_error *err);

/**
 * ssh_plan_check_host_key(p, key, err): is this the host's key?  By the pinned fingerprint, else by
 * known_hosts; an unknown one is accepted and remembered as the options say.  VV_EAUTH if it must
 * not be used.
 */
MUST_CHECK enum vv_rc ssh_plan_check_host_key(const struct ssh_plan *p, struct vv_span key,
                                              struct vv_error *err);

/** ssh_identity_read(path, ret, err): a private key file; its type is looked up in the
 *  public one beside it if it does not tell.  VV_ENOTFOUND: no such file; VV_EAUTH: others may read
 *  it. */
MUST_CHECK enum vv_rc ssh_identity_read(const char *path, struct ssh_key_file *ret,
                                        struct vv_error *err);

/* Messages about host keys, the same from both transports; return VV_EAUTH.  ${type} is the label
 * of a key's type, ${shown} its fingerprint; both may be NULL if they cannot be known. */
enum vv_rc ssh_say_unknown_host(const struct ssh_plan *p, const char *type, const char *shown,
                                struct vv_error *err);
enum vv_rc ssh_say_changed_host(const struct ssh_plan *p, const char *type, const char *shown,
                                const struct known_hosts_findings *f, struct vv_error *err);
enum vv_rc ssh_say_revoked_host(const struct ssh_plan *p, const char *type, const char *shown,
                                const struct known_hosts_findings *f, struct vv_error *err);
enum vv_rc ssh_say_wrong_fingerprint(const struct ssh_plan *p, const char *type, const char *shown,
                                     struct vv_error *err);

/* How a transport failed, for those who choose among them. */
struct ssh_failure {
    bool use_command; /* libssh2 cannot do what the ssh command could */
    bool not_pinned;  /* the host key shown is not the pinned one; another of the host's may be */
    char reason[SSH_REASON_SIZE];
};

/** ssh_session_connect(p, failure, ret, err): by libssh2. */
MUST_CHECK enum vv_rc ssh_session_connect(const struct ssh_plan *p, struct ssh_failure *failure,
                                          struct byte_stream **ret, struct vv_error *err);
/** ssh_command_connect(p, why, ret, err): by the ssh command; ${why} it is needed, for the case
 *  that there is none (empty: it was asked for). */
MUST_CHECK enum vv_rc ssh_command_connect(const struct ssh_plan *p, const char *why,
                                          struct byte_stream **ret, struct vv_error *err);

#endif
