/* SPDX-License-Identifier: BSD-2-Clause */
/* Target, options and the ssh configuration brought together. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "ssh/ssh_plan_internal.h"

enum { TIMEOUT_MS = 30000, CONFIG_TIMEOUT_MS = 10000 };

/* The text in ${b} as a string of its own; ${b} is emptied. */
static enum vv_rc
keep(struct vv_buf *b, char **ret, struct vv_error *err)
{
    char *copy = b->failed ? NULL : vv_strdup(vv_buf_text(b));

    if (b->failed) {
        copy = NULL;
    }
    vv_buf_release(b);
    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    vv_free(*ret);
    *ret = copy;
    return VV_OK;
}

static enum vv_rc
check_target(const struct ssh_target *t, const struct ssh_options *o, struct vv_error *err)
{
    if (t->host == NULL || t->host[0] == '\0' || t->host[0] == '-') {
        return vv_error_set(err, VV_EUSAGE, "'%s' is no host name", t->host == NULL ? "" : t->host);
    }
    if (t->user != NULL && (t->user[0] == '\0' || t->user[0] == '-')) {
        return vv_error_set(err, VV_EUSAGE, "'%s' is no user name", t->user);
    }
    if (t->port > 65535) {
        return vv_error_set(err, VV_EUSAGE, "%u is no port", t->port);
    }
    if (o->fingerprint != NULL && !ssh_key_fingerprint_valid(o->fingerprint)) {
        (void)vv_error_set(err, VV_EUSAGE, "'%s' is no fingerprint of a host key", o->fingerprint);
        vv_error_hint(err, "one looks like SHA256:mVwQcFOQFmaeyvBD5mfNu2CCOwmbPKDXfjnzIyFIuk0; the "
                           "server's are shown there by: ssh-keygen -lf "
                           "/etc/ssh/ssh_host_ed25519_key.pub");
        return VV_EUSAGE;
    }
    return VV_OK;
}

static enum vv_rc
split_command(struct ssh_plan *p, struct vv_error *err)
{
    const char *at = p->options->command == NULL ? "ssh" : p->options->command;
    size_t count = 0;

    for (at += strspn(at, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        size_t len = strcspn(at, " \t");
        if (count == SSH_PLAN_WORDS) {
            return vv_error_set(err, VV_ELIMIT, "the ssh command '%.80s...' has over %d words",
                                p->options->command, SSH_PLAN_WORDS);
        }
        p->words[count] = vv_memdup(at, len);
        if (p->words[count++] == NULL) {
            return vv_error_nomem(err);
        }
        at += len;
    }
    return count > 0 ? VV_OK : vv_error_set(err, VV_EUSAGE, "the ssh command is empty");
}

/* This user's home and name, from where ssh takes them too. */
static enum vv_rc
find_user(struct ssh_plan *p, struct vv_error *err)
{
    char space[16384];
    struct passwd entry;
    struct passwd *found = NULL;
    struct vv_buf text = {0};

    int error = getpwuid_r(geteuid(), &entry, space, sizeof(space), &found);
    const char *user = p->target->user != NULL  ? p->target->user
                       : p->config.user != NULL ? p->config.user
                       : found != NULL          ? found->pw_name
                                                : NULL;
    if (user == NULL) {
        return vv_error_set(err, VV_EUSAGE, "user %u has no name (%s): say whom to log in as",
                            (unsigned)geteuid(),
                            error == 0 ? "not in passwd" : strerrordesc_np(error));
    }
    vv_buf_put_text(&text, found == NULL ? "/" : found->pw_dir);
    VV_TRY(keep(&text, &p->home, err));
    vv_buf_put_text(&text, user);
    return keep(&text, &p->user, err);
}

static enum vv_rc
ask_config(struct ssh_plan *p, struct vv_error *err)
{
    struct vv_error trouble = {0};
    const struct ssh_config_query q = {.command = (const char *const *)p->words,
                                       .host = p->target->host,
                                       .user = p->target->user,
                                       .port = p->target->port,
                                       .timeout_ms = CONFIG_TIMEOUT_MS,
                                       .cancel = p->options->cancel};

    enum vv_rc rc = ssh_config_ask(&q, &p->config, &trouble);
    if (rc == VV_ECANCELLED || rc == VV_ENOMEM) {
        if (err != NULL) {
            *err = trouble;
        }
        return rc;
    }
    if (rc != VV_OK) {
        p->no_program = rc == VV_ENOTFOUND;
        (void)snprintf(p->config_trouble, sizeof(p->config_trouble), "%.*s",
                       (int)sizeof(p->config_trouble) - 1, trouble.message);
    }
    return VV_OK;
}

static enum vv_rc
name_host(struct ssh_plan *p, struct vv_error *err)
{
    struct vv_buf text = {0};
    const struct ssh_config *c = &p->config;

    vv_buf_put_text(&text, c->host_name != NULL ? c->host_name : p->target->host);
    VV_TRY(keep(&text, &p->host, err));
    p->port = p->target->port != 0 ? p->target->port : c->port != 0 ? c->port : 22;
    bool brackets = strchr(p->host, ':') != NULL;
    vv_buf_printf(&text, "%s%s%s:%u", brackets ? "[" : "", p->host, brackets ? "]" : "", p->port);
    VV_TRY(keep(&text, &p->name, err));
    vv_buf_printf(&text, "%s@%s", p->user, p->name);
    VV_TRY(keep(&text, &p->login, err));
    if (c->host_key_alias != NULL) {
        known_hosts_name(c->host_key_alias, 22, &text);
        return keep(&text, &p->host_name, err);
    }
    known_hosts_name(p->host, p->port, &text);
    VV_TRY(keep(&text, &p->host_name, err));
    if (p->port != 22) {
        known_hosts_name(p->host, 22, &text);
        return keep(&text, &p->bare_name, err);
    }
    return VV_OK;
}

/* ${path}, with "~/" for the home, added to a list. */
static enum vv_rc
add_path(const struct ssh_plan *p, const char *path, char **list, size_t *count,
         struct vv_error *err)
{
    struct vv_buf text = {0};

    if (path[0] == '~' && path[1] == '/') {
        vv_buf_printf(&text, "%s%s", p->home, path + 1);
    } else {
        vv_buf_put_text(&text, path);
    }
    VV_TRY(keep(&text, &list[*count], err));
    (*count)++;
    return VV_OK;
}

static enum vv_rc
find_files(struct ssh_plan *p, struct vv_error *err)
{
    static const struct ssh_config_list usual_keys = {
        {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"}, 3};
    static const struct ssh_config_list usual_user = {{"~/.ssh/known_hosts"}, 1};
    static const struct ssh_config_list usual_global = {{"/etc/ssh/ssh_known_hosts"}, 1};
    const bool known = p->config.known;
    const struct ssh_config_list one_key = {{p->options->identity}, 1};
    const struct ssh_config_list one_file = {{p->options->known_hosts}, 1};
    const struct ssh_config_list *keys = p->options->identity != NULL ? &one_key
                                         : known                      ? &p->config.identities
                                                                      : &usual_keys;
    const struct ssh_config_list *files[2] = {known ? &p->config.user_known_hosts : &usual_user,
                                              known ? &p->config.global_known_hosts
                                                    : &usual_global};

    for (size_t i = 0; i < keys->count; i++) {
        VV_TRY(add_path(p, keys->items[i], p->identities, &p->identities_count, err));
    }
    if (p->options->known_hosts != NULL) {
        return add_path(p, one_file.items[0], p->known_hosts, &p->known_hosts_count, err);
    }
    for (size_t list = 0; list < 2; list++) {
        for (size_t i = 0; i < files[list]->count; i++) {
            VV_TRY(add_path(p, files[list]->items[i], p->known_hosts, &p->known_hosts_count, err));
        }
    }
    return VV_OK;
}

static enum vv_rc
make(struct ssh_plan *p, struct vv_error *err)
{
    VV_TRY(check_target(p->target, p->options, err));
    VV_TRY(split_command(p, err));
    VV_TRY(ask_config(p, err));
    VV_TRY(find_user(p, err));
    VV_TRY(name_host(p, err));
    VV_TRY(find_files(p, err));
    p->hash_known_hosts = p->config.hash_known_hosts;
    p->accept_new = p->options->accept_new_host_key || p->config.accept_new;
    return VV_OK;
}

enum vv_rc
ssh_plan_make(const struct ssh_target *target, const struct ssh_options *options,
              struct ssh_plan *ret, struct vv_error *err)
{
    struct ssh_plan p = {.target = target, .options = options};

    p.clock = options->clock != NULL ? options->clock : vv_clock_system();
    p.timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS;
    enum vv_rc rc = make(&p, err);
    if (rc != VV_OK) {
        ssh_plan_release(&p);
        return rc;
    }
    *ret = p;
    return VV_OK;
}

void
ssh_plan_release(struct ssh_plan *p)
{
    for (size_t i = 0; i < SSH_PLAN_WORDS; i++) {
        vv_free(p->words[i]);
    }
    for (size_t i = 0; i < p->known_hosts_count; i++) {
        vv_free(p->known_hosts[i]);
    }
    for (size_t i = 0; i < p->identities_count; i++) {
        vv_free(p->identities[i]);
    }
    vv_free(p->home);
    vv_free(p->user);
    vv_free(p->host);
    vv_free(p->name);
    vv_free(p->login);
    vv_free(p->host_name);
    vv_free(p->bare_name);
    ssh_config_release(&p->config);
    *p = (struct ssh_plan){0};
}
