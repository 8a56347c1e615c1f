/* SPDX-License-Identifier: BSD-2-Clause */
/* Up to which point a PostgreSQL cluster is to be restored, and the command its server will run. */
#include "point_options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "format/wal.h"

void
point_choice_release(struct point_choice *c)
{
    for (size_t i = 0; c->directories != NULL && i < c->mapping_count; i++) {
        vv_free(c->directories[i]);
    }
    vv_free(c->directories);
    vv_free(c->mappings);
    vv_buf_release(&c->restore_command);
    memset(c, 0, sizeof(*c));
}

/** ${path} as seen from everywhere. */
static enum vv_rc
make_absolute(struct app *app, const char *path, struct vv_buf *out)
{
    char here[PATH_MAX];

    if (path[0] != '/') {
        if (getcwd(here, sizeof(here)) == NULL) {
            return vv_error_sys(&app->err, errno, "cannot find out where this is");
        }
        vv_buf_printf(out, "%s/", here);
    }
    vv_buf_put_text(out, path);
    return vv_buf_check(out, &app->err);
}

static enum vv_rc
read_kind(struct app *app, const struct point_options *o, struct point_target *t)
{
    int count = (o->time != NULL) + (o->lsn != NULL) + (o->xid != NULL) + (o->name != NULL) +
                o->immediate + o->latest;

    if (count > 1) {
        return app_usage(app, "only one point can be restored to");
    }
    if (o->time != NULL) {
        t->kind = POINT_TIME;
        if (!point_time_parse(o->time, &t->time)) {
            return app_usage(app,
                             "option '--to-time': '%s' is no time with a zone, such as "
                             "'2026-11-26 14:00:00+01:00' or 2026-11-26T13:00:00Z",
                             o->time);
        }
    } else if (o->lsn != NULL) {
        t->kind = POINT_LSN;
        if (!wal_lsn_parse(o->lsn, &t->lsn)) {
            return app_usage(app, "option '--to-lsn': '%s' is no position such as 16/B374D848",
                             o->lsn);
        }
    } else if (o->xid != NULL) {
        t->kind = POINT_XID;
        t->text = o->xid;
        if (o->xid[0] == '\0' || strspn(o->xid, "0123456789") != strlen(o->xid)) {
            return app_usage(app, "option '--to-xid': '%s' is no transaction id", o->xid);
        }
    } else if (o->name != NULL) {
        t->kind = POINT_NAME;
        t->text = o->name;
        if (o->name[0] == '\0' || strlen(o->name) > 63 || strpbrk(o->name, "\r\n") != NULL) {
            return app_usage(app, "option '--to-name': a name has 1 to 63 bytes");
        }
    } else if (o->immediate) {
        t->kind = POINT_IMMEDIATE;
    } else if (o->latest) {
        t->kind = POINT_LATEST;
    }
    return VV_OK;
}

static enum vv_rc
read_timeline(struct app *app, const char *text, struct point_target *t)
{
    char *end = NULL;
    unsigned long n;

    if (text == NULL || strcmp(text, "latest") == 0) {
        return VV_OK;
    }
    if (strcmp(text, "current") == 0) {
        t->timeline = UINT32_MAX;
        return VV_OK;
    }
    n = text[0] >= '1' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (n == 0 || n >= UINT32_MAX || *end != '\0') {
        return app_usage(app, "option '--timeline': '%s' is neither latest, current nor a number",
                         text);
    }
    t->timeline = (uint32_t)n;
    return VV_OK;
}

static enum vv_rc
read_mapping(struct app *app, const char *text, struct point_choice *c)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    char *end = NULL;
    unsigned long oid = text[0] >= '1' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;

    if (oid == 0 || oid > UINT32_MAX || *end != '=' || end[1] == '\0') {
        return app_usage(app, "option '--tablespace': '%s' is not OID=DIR", text);
    }
    for (size_t i = 0; i < c->mapping_count; i++) {
        if (c->mappings[i].oid == oid) {
            return app_usage(app, "option '--tablespace': %lu is given twice", oid);
        }
    }
    VV_TRY(make_absolute(app, end + 1, &directory));
    c->directories[c->mapping_count] = vv_strdup(vv_buf_text(&directory));
    if (c->directories[c->mapping_count] == NULL) {
        return vv_error_nomem(&app->err);
    }
    c->mappings[c->mapping_count] =
        (struct point_mapping){(uint32_t)oid, c->directories[c->mapping_count]};
    c->mapping_count++;
    return VV_OK;
}

enum vv_rc
point_options_read(struct app *app, const struct point_options *o, struct point_choice *ret)
{
    VV_TRY(read_kind(app, o, &ret->target));
    VV_TRY(read_timeline(app, o->timeline, &ret->target));
    if (ret->target.kind == POINT_NONE && (o->timeline != NULL || o->tablespaces.count > 0)) {
        return app_usage(app, "%s goes with one of the --to-... options",
                         o->timeline != NULL ? "--timeline" : "--tablespace");
    }
    ret->mappings = vv_alloc_array(o->tablespaces.count + 1, sizeof(*ret->mappings));
    ret->directories = vv_alloc_array(o->tablespaces.count + 1, sizeof(*ret->directories));
    if (ret->mappings == NULL || ret->directories == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < o->tablespaces.count; i++) {
        VV_TRY(read_mapping(app, o->tablespaces.uses[i].value, ret));
    }
    return VV_OK;
}

enum vv_rc
point_options_check(struct app *app, const struct point_choice *c, const struct point_plan *p)
{
    for (size_t i = 0; i < p->tablespace_count; i++) {
        size_t k = 0;
        while (k < c->mapping_count && c->mappings[k].oid != p->tablespaces[i].oid) {
            k++;
        }
        if (k == c->mapping_count) {
            return app_usage(app,
                             "tablespace %u was in '%s': say where to with --tablespace %u=DIR",
                             (unsigned)p->tablespaces[i].oid, p->tablespaces[i].location,
                             (unsigned)p->tablespaces[i].oid);
        }
    }
    if (c->mapping_count > p->tablespace_count) {
        return app_usage(app, "the base backup has %zu tablespaces, and %zu are given a place",
                         p->tablespace_count, c->mapping_count);
    }
    return VV_OK;
}

/** One word of a shell's command line, with per cent signs as a server wants them. */
static void
put_word(struct vv_buf *out, const char *text)
{
    vv_buf_put_text(out, out->len > 0 ? " '" : "'");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            vv_buf_put_text(out, "'\\''");
        } else if (*c == '%') {
            vv_buf_put_text(out, "%%");
        } else {
            vv_buf_put_u8(out, (uint8_t)*c);
        }
    }
    vv_buf_put_u8(out, '\'');
}

static enum vv_rc
put_file(struct app *app, struct vv_buf *out, const char *option, const char *path)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf absolute = {0};

    if (path == NULL) {
        return VV_OK;
    }
    VV_TRY(make_absolute(app, path, &absolute));
    put_word(out, option);
    put_word(out, vv_buf_text(&absolute));
    return VV_OK;
}

static const char *
given(const char *option, const char *variable)
{
    const char *value = option != NULL ? option : getenv(variable);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static enum vv_rc
put_repository(struct app *app, struct vv_buf *out, const char *option, const char *url)
{
    const struct settings_section *section = NULL;

    VV_TRY(settings_input_repository(app, url, &section, &app->err));
    if (section != NULL) { /* the server must not depend on a configuration */
        url = settings_get(section, "url");
    }
    if (strstr(url, "://") == NULL) {
        return put_file(app, out, option, url);
    }
    put_word(out, option);
    put_word(out, url);
    return VV_OK;
}

static void
put_text(struct vv_buf *out, const char *option, const char *text)
{
    if (text != NULL) {
        put_word(out, option);
        put_word(out, text);
    }
}

/** How the repository is reached; what may be asked for at a terminal cannot be passed on. */
static enum vv_rc
put_ssh(struct app *app, struct vv_buf *out)
{
    static const char *const transports[] = {"auto", "libssh2", "ssh"};
    const struct ssh_given *named = settings_input_given(app, app->global.repository);
    const struct ssh_given *ssh = named != NULL ? named : &app->global.ssh;
    const char *transport = ssh->transport >= 0 ? transports[ssh->transport] : NULL;

    put_text(out, "--ssh-transport", given(transport, "VARVE_SSH_TRANSPORT"));
    put_text(out, "--ssh-command", given(ssh->command, "VARVE_SSH_COMMAND"));
    put_text(out, "--host-key-fingerprint",
             given(ssh->fingerprint, "VARVE_SSH_HOST_KEY_FINGERPRINT"));
    VV_TRY(put_file(app, out, "--ssh-identity", given(ssh->identity, "VARVE_SSH_IDENTITY")));
    VV_TRY(put_file(app, out, "--ssh-passphrase-file",
                    given(ssh->passphrase_file, "VARVE_SSH_PASSPHRASE_FILE")));
    put_text(out, "--ssh-passphrase-command",
             given(ssh->passphrase_command, "VARVE_SSH_PASSPHRASE_COMMAND"));
    return put_file(app, out, "--known-hosts", given(ssh->known_hosts, "VARVE_SSH_KNOWN_HOSTS"));
}

enum vv_rc
point_options_command(struct app *app, struct point_choice *c, uint64_t system)
{
    struct vv_buf *out = &c->restore_command;
    const char *key_file = given(app->global.key_file, "VARVE_KEY_FILE");
    const char *passphrase_file = given(app->global.passphrase_file, "VARVE_PASSPHRASE_FILE");
    char program[PATH_MAX];
    char text[24];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (len <= 0) {
        return vv_error_sys(&app->err, errno, "cannot find out where this program is");
    }
    program[len] = '\0';
    if (key_file == NULL && passphrase_file == NULL) {
        return app_usage(app, "the server will read WAL by itself: give --key-file (or "
                              "--passphrase-file), a file that its user can read");
    }
    put_word(out, program);
    VV_TRY(put_repository(app, out, "-r", app->global.repository));
    VV_TRY(put_file(app, out, "--key-file", key_file));
    VV_TRY(put_file(app, out, "--passphrase-file", key_file == NULL ? passphrase_file : NULL));
    VV_TRY(put_ssh(app, out));
    for (size_t i = 0; i < app->replicas.count; i++) {
        VV_TRY(put_repository(app, out, "--replica", app->replicas.urls[i]));
    }
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)system);
    vv_buf_put_text(out, " -q wal get --system ");
    vv_buf_put_text(out, text);
    vv_buf_put_text(out, " %f %p");
    return vv_buf_check(out, &app->err);
}
