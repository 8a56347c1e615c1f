/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding and reading the configuration; repositories by name. */
#include "settings_input.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "core/alloc.h"
#include "settings_keys.h"
#include "signals.h"

#define SYSTEM_DIRECTORY "/etc/varve"

/* ---- files ---- */

/* DIR/varve.conf and DIR/conf.d/; a file that is not there is none, and, at a place nobody has named, so
 * is one that we may not read. */
static enum vv_rc
add_place(struct settings_input *in, const char *directory, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    bool readable_only = geteuid() != 0;
    unsigned count = 0;
    enum vv_rc rc = VV_OK;

    vv_buf_printf(&path, "%s/varve.conf", directory);
    VV_TRY(vv_buf_check(&path, err));
    if (!readable_only || access(vv_buf_text(&path), R_OK) == 0) {
        rc = settings_add_file(in->settings, vv_buf_text(&path), err);
        in->found = in->found || rc == VV_OK;
    }
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    VV_TRY(rc);
    vv_buf_reset(&path);
    vv_buf_printf(&path, "%s/conf.d", directory);
    VV_TRY(vv_buf_check(&path, err));
    rc = settings_add_directory(in->settings, vv_buf_text(&path), readable_only, &count, err);
    in->found = in->found || count > 0;
    return rc;
}

static enum vv_rc
add_users(struct settings_input *in, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    const char *given = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    if (geteuid() == 0) {
        return VV_OK; /* nothing of root's depends on HOME */
    }
    if (given != NULL && given[0] == '/') {
        vv_buf_printf(&path, "%s/varve", given);
    } else if (home != NULL && home[0] == '/') {
        vv_buf_printf(&path, "%s/.config/varve", home);
    } else {
        return VV_OK;
    }
    VV_TRY(vv_buf_check(&path, err));
    return add_place(in, vv_buf_text(&path), err);
}

static enum vv_rc
read_files(struct app *app, struct settings_input *in, struct vv_error *err)
{
    const char *file = app->global.config != NULL ? app->global.config : getenv("VARVE_CONFIG");

    if (file != NULL && file[0] != '\0') {
        enum vv_rc rc = settings_add_file(in->settings, file, err);
        in->found = rc == VV_OK;
        if (rc == VV_OK || rc == VV_ENOMEM) {
            return rc;
        }
        if (err != NULL) { /* named, and no good: the command line is wrong */
            err->rc = VV_EUSAGE;
        }
        return VV_EUSAGE;
    }
    VV_TRY(add_place(in, SYSTEM_DIRECTORY, err));
    return add_users(in, err);
}

enum vv_rc
settings_input_read(struct app *app, struct settings **ret, struct vv_error *err)
{
    struct settings_input *in = &app->settings;

    if (in->settings == NULL) {
        enum vv_rc rc;
        VV_TRY(settings_new(settings_specs, settings_spec_count, &in->settings, err));
        rc = read_files(app, in, err);
        rc = rc == VV_OK ? settings_check(in->settings, err) : rc;
        if (rc != VV_OK) {
            settings_free(TAKE(in->settings));
            return rc;
        }
    }
    *ret = in->settings;
    return VV_OK;
}

enum vv_rc
settings_input_need(struct app *app, struct settings **ret, struct vv_error *err)
{
    VV_TRY(settings_input_read(app, ret, err));
    if (!app->settings.found) {
        (void)vv_error_set(err, VV_EUSAGE, "there is no configuration");
        vv_error_hint(err,
                      "'varve config example > /etc/varve/varve.conf' makes one to begin with; "
                      "--config FILE names another one");
        return VV_EUSAGE;
    }
    return VV_OK;
}

enum vv_rc
settings_input_refuse(const struct settings *c, unsigned known, struct vv_error *err)
{
    const struct settings_problem *p = settings_problems(c);
    unsigned more;

    for (unsigned i = 0; p != NULL && i < known; i++) {
        p = p->next;
    }
    if (p == NULL) {
        return VV_OK;
    }
    more = settings_problem_count(c) - known - 1;
    (void)vv_error_set(err, VV_EUSAGE, "%s:%u: %s", p->place.file, p->place.line, p->text);
    if (more > 0) {
        vv_error_hint(err, "%s%s%u more: 'varve config check' tells all", p->hint,
                      p->hint[0] != '\0' ? "; and " : "", more);
    } else if (p->hint[0] != '\0') {
        vv_error_hint(err, "%s", p->hint);
    }
    return VV_EUSAGE;
}

/* ---- repositories ---- */

enum vv_rc
settings_input_repository(struct app *app, const char *name, const struct settings_section **ret,
                          struct vv_error *err)
{
    struct settings *c = NULL;

    *ret = NULL;
    if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL || strchr(name, ':') != NULL) {
        return VV_OK;
    }
    VV_TRY(settings_input_read(app, &c, err));
    *ret = settings_find(c, "repository", name);
    /* A file with a mistake may have meant this name. */
    return settings_input_refuse(c, 0, err);
}

static const char *
given_or_set(const char *given, const struct settings_section *s, const char *key)
{
    return given != NULL ? given : settings_get(s, key);
}

/* Options of the command line come first, then the repository's own, then the environment. */
static void
fill(const struct app *app, struct named_repository *n)
{
    static const char *const transports[] = {"auto", "libssh2", "ssh"};
    const struct settings_section *s = n->section;
    const char *transport = settings_get(s, "ssh-transport");
    struct ssh_given *g = &n->given;

    *g = app->global.ssh;
    for (int i = 0; g->transport < 0 && transport != NULL && i < (int)VV_COUNT(transports); i++) {
        if (strcmp(transport, transports[i]) == 0) {
            g->transport = i;
        }
    }
    g->command = given_or_set(g->command, s, "ssh-command");
    g->identity = given_or_set(g->identity, s, "ssh-identity");
    g->known_hosts = given_or_set(g->known_hosts, s, "known-hosts");
    g->fingerprint = given_or_set(g->fingerprint, s, "host-key-fingerprint");
    if (g->passphrase_file == NULL && g->passphrase_command == NULL) {
        g->passphrase_file = settings_get(s, "ssh-passphrase-file");
        g->passphrase_command = settings_get(s, "ssh-passphrase-command");
    }
}

static enum vv_rc
add_named(struct app *app, const struct settings_section *s, struct named_repository **ret,
          struct vv_error *err)
{
    struct named_repository *n;
    enum vv_rc rc;

    for (n = app->settings.named; n != NULL; n = n->next) {
        if (n->section == s) {
            *ret = n;
            return VV_OK;
        }
    }
    n = vv_alloc_array(1, sizeof(*n));
    if (n == NULL) {
        return vv_error_nomem(err);
    }
    n->section = s;
    fill(app, n);
    rc = ssh_input_init(&n->ssh, &n->given, &app->messages, err);
    if (rc != VV_OK) {
        vv_free(n);
        return rc;
    }
    n->options = (struct storage_options){
        .ssh = &n->ssh.options, .events = &app->messages.events, .cancel = signals_cancel()};
    n->next = app->settings.named;
    app->settings.named = n;
    *ret = n;
    return VV_OK;
}

enum vv_rc
settings_input_storage(struct app *app, const char *name, const char **ret_url,
                       const struct storage_options **ret, struct vv_error *err)
{
    const struct settings_section *s = NULL;
    struct named_repository *n = NULL;

    *ret = NULL;
    VV_TRY(settings_input_repository(app, name, &s, err));
    if (s != NULL) {
        VV_TRY(add_named(app, s, &n, err));
        *ret_url = settings_get(s, "url");
        *ret = &n->options;
    }
    return VV_OK;
}

const struct ssh_given *
settings_input_given(const struct app *app, const char *name)
{
    for (const struct named_repository *n = app->settings.named; n != NULL; n = n->next) {
        if (strcmp(n->section->name, name) == 0) {
            return &n->given;
        }
    }
    return NULL;
}

void
settings_input_release(struct settings_input *in)
{
    while (in->named != NULL) {
        struct named_repository *n = in->named;
        in->named = n->next;
        ssh_input_release(&n->ssh);
        vv_free(n);
    }
    settings_free(in->settings);
    *in = (struct settings_input){0};
}
