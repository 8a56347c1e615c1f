/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of ssh. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/aead.h"
#include "ssh/ssh_command_internal.h"

static void VV_PRINTF(2, 3) add(struct ssh_words *w, const char *fmt, ...)
{
    struct vv_buf word = {0};
    char text[4096];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(text) || w->count == SSH_COMMAND_WORDS) {
        w->failed = true;
        return;
    }
    vv_buf_put(&word, text, (size_t)len);
    w->list[w->count] = word.failed ? NULL : vv_strdup(vv_buf_text(&word));
    w->failed = w->failed || w->list[w->count] == NULL;
    w->count += w->list[w->count] != NULL;
    vv_buf_release(&word);
}

/*
 * KnownHostsCommand is run by ssh (8.5 and later; others pass it over) with the key the server
 * shows: it tells us of it on standard error, and makes it known if, and only if, it is the pinned
 * one.  sh and not a program of ours, since ssh wants an absolute path.
 */
static void
add_teller(const struct ssh_plan *p, struct ssh_words *w)
{
    const char *pinned = p->options->fingerprint;
    const char *digits = pinned != NULL && strncmp(pinned, "SHA256:", 7) == 0 ? pinned + 7 : pinned;

    add(w, "-oIgnoreUnknown=KnownHostsCommand");
    add(w,
        "-oKnownHostsCommand=/bin/sh -c \"test $1 = NONE || echo " SSH_COMMAND_TELLS " $1 $2 $3 "
        ">&2; if test $2 = SHA256:%.43s; then echo $4 $1 $3; fi\" sh %%t %%f %%K %%H",
        digits != NULL ? digits : "none");
}

static void
add_host_key_options(const struct ssh_plan *p, const char *host_key, struct ssh_words *w)
{
    const struct ssh_options *o = p->options;

    if (o->fingerprint != NULL) {
        add(w, "-oUserKnownHostsFile=/dev/null");
        add(w, "-oGlobalKnownHostsFile=/dev/null");
        add(w, "-oUpdateHostKeys=no");
    } else if (o->known_hosts != NULL) {
        add(w, "-oUserKnownHostsFile=\"%s\"", p->known_hosts[0]);
        add(w, "-oGlobalKnownHostsFile=/dev/null");
    }
    /* What is not asked for here by an answer on a terminal: there is none. */
    add(w, "-oStrictHostKeyChecking=%s",
        p->accept_new && o->fingerprint == NULL ? "accept-new" : "yes");
    if (o->fingerprint != NULL || p->config.known_hosts_command == NULL) {
        add_teller(p, w);
    }
    if (host_key != NULL) {
        add(w, "-oHostKeyAlgorithms=%s", host_key);
    }
}

static void
add_options(const struct ssh_plan *p, const char *host_key, struct ssh_words *w)
{
    const struct ssh_options *o = p->options;
    struct vv_buf ciphers = {0};

    add(w, "-oBatchMode=yes");
    add(w, "-oServerAliveInterval=15");
    add(w, "-oServerAliveCountMax=3");
    add(w, "-oClearAllForwardings=yes");
    add(w, "-oPermitLocalCommand=no");
    add(w, "-oConnectTimeout=%llu", (unsigned long long)(p->timeout_ms + 999) / 1000);
    add_host_key_options(p, host_key, w);
    /* Where the processor has no AES instructions ChaCha20 is the faster one. */
    if (aead_best_suite() == 1 && ssh_config_ciphers(&p->config, &ciphers)) {
        add(w, "-oCiphers=%s", vv_buf_text(&ciphers));
    }
    vv_buf_release(&ciphers);
    if (o->identity != NULL) {
        add(w, "-oIdentitiesOnly=yes");
        add(w, "-i");
        add(w, "%s", p->identities[0]);
    }
    if (p->target->user != NULL) {
        add(w, "-l");
        add(w, "%s", p->target->user);
    }
    if (p->target->port != 0) {
        add(w, "-p");
        add(w, "%u", p->target->port);
    }
}

enum vv_rc
ssh_command_words(const struct ssh_plan *p, const char *host_key, const char *remote,
                  struct ssh_words *out, struct vv_error *err)
{
    struct ssh_words w = {0};

    for (size_t i = 0; p->words[i] != NULL; i++) {
        add(&w, "%s", p->words[i]);
    }
    add_options(p, host_key, &w);
    if (remote != NULL) {
        add(&w, "-n"); /* it reads nothing */
        add(&w, "-T");
    } else {
        add(&w, "-s");
    }
    add(&w, "--");
    add(&w, "%s", p->target->host);
    add(&w, "%s", remote != NULL ? remote : "sftp");
    if (w.failed) {
        ssh_words_release(&w);
        return vv_error_nomem(err);
    }
    *out = w;
    return VV_OK;
}

void
ssh_words_release(struct ssh_words *w)
{
    for (size_t i = 0; i < w->count; i++) {
        vv_free(w->list[i]);
    }
    *w = (struct ssh_words){0};
}
