/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be said only when all files are in. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "config/settings_internal.h"

#define LOST_HINT                                                                                  \
    "is its disk mounted? if it is lost, put a copy of it back; "                                  \
    "for a new repository 'varve init' makes a key file"

static enum vv_rc
check_required(struct settings *c, const struct settings_section *s, struct vv_error *err)
{
    for (const struct settings_key *k = s->spec->keys; k->name != NULL; k++) {
        if (k->required && settings_get(s, k->name) == NULL) {
            VV_CLEANUP(vv_buf_release) struct vv_buf hint = {0};
            vv_buf_printf(&hint, "add: %s = %s", k->name, k->value);
            VV_TRY(vv_buf_check(&hint, err));
            VV_TRY(settings_complain(c, s->place, vv_buf_text(&hint), err, "[%s%s%s] has no '%s'",
                                     s->spec->kind, s->name[0] != '\0' ? " " : "", s->name,
                                     k->name));
        }
    }
    return VV_OK;
}

static enum vv_rc
check_reference(struct settings *c, const struct settings_value *v, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf hint = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf known = {0};
    const char *names[128];
    unsigned count = 0;

    if (v->text[0] == '\0' || settings_find(c, v->key->refers, v->text) != NULL) {
        return VV_OK;
    }
    for (const struct settings_section *s = c->first; s != NULL && count < VV_COUNT(names);
         s = s->next) {
        if (strcmp(s->spec->kind, v->key->refers) == 0) {
            names[count++] = s->name;
        }
    }
    settings_did_you_mean(names, count, v->text, &hint);
    VV_TRY(settings_names(c, v->key->refers, &known, err));
    if (hint.len == 0 && known.len > 0) {
        vv_buf_printf(&hint, "there are: %s", vv_buf_text(&known));
    } else if (hint.len == 0) {
        vv_buf_printf(&hint, "add a section [%s %s]", v->key->refers, v->text);
    }
    VV_TRY(vv_buf_check(&hint, err));
    return settings_complain(c, v->place, vv_buf_text(&hint), err, "%s: there is no [%s %s]",
                             v->key->name, v->key->refers, v->text);
}

static enum vv_rc
check_company(struct settings *c, const struct settings_section *s, const struct settings_value *v,
              struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf hint = {0};

    for (const struct settings_value *other = s->first; other != NULL; other = other->next) {
        if (other->key != v->key &&
            strncmp(other->key->name, v->key->beside, strlen(v->key->beside)) == 0) {
            return VV_OK;
        }
    }
    vv_buf_printf(&hint, "add another key that begins with %s", v->key->beside);
    VV_TRY(vv_buf_check(&hint, err));
    return settings_complain(c, v->place, vv_buf_text(&hint), err, "'%s' says nothing by itself",
                             v->key->name);
}

/* A secret that others can read is none. */
static enum vv_rc
check_secret(struct settings *c, const struct settings_value *v, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf hint = {0};
    struct stat st;

    if (v->text[0] == '\0') {
        return VV_OK;
    }
    if (v->text[0] != '/') {
        return settings_complain(c, v->place, "write it from the root: /etc/varve/...", err,
                                 "%s: '%s' is no absolute path", v->key->name, v->text);
    }
    if (stat(v->text, &st) != 0) {
        return settings_complain(c, v->place, errno == ENOENT ? LOST_HINT : NULL, err,
                                 "%s: cannot look at '%s': %s", v->key->name, v->text,
                                 strerrordesc_np(errno));
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        vv_buf_printf(&hint, "chmod go= '%s'", v->text);
        VV_TRY(vv_buf_check(&hint, err));
        return settings_complain(c, v->place, vv_buf_text(&hint), err,
                                 "%s: others can read '%s' (mode %04o)", v->key->name, v->text,
                                 (unsigned)st.st_mode & 07777u);
    }
    return VV_OK;
}

/* Nor is one that stands in a file of everybody's: told once for a section. */
static enum vv_rc
check_place(struct settings *c, const struct settings_value *v, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf hint = {0};
    struct stat st;

    if (stat(v->place.file, &st) != 0 || (st.st_mode & (S_IRWXG | S_IRWXO)) == 0) {
        return VV_OK;
    }
    vv_buf_printf(&hint, "chmod go= '%s'", v->place.file);
    VV_TRY(vv_buf_check(&hint, err));
    return settings_complain(c, v->place, vv_buf_text(&hint), err,
                             "%s is a secret, and others can read this file (mode %04o)",
                             v->key->name, (unsigned)st.st_mode & 07777u);
}

static enum vv_rc
check_section(struct settings *c, const struct settings_section *s, struct vv_error *err)
{
    bool placed = false;

    for (const struct settings_value *v = s->first; v != NULL; v = v->next) {
        if (v->key->kind == SETTINGS_SECRET) {
            VV_TRY(check_secret(c, v, err));
        } else if (v->key->secret && !placed) {
            VV_TRY(check_place(c, v, err));
            placed = true;
        }
    }
    return VV_OK;
}

enum vv_rc
settings_check(struct settings *c, struct vv_error *err)
{
    for (const struct settings_section *s = c->first; s != NULL; s = s->next) {
        VV_TRY(check_required(c, s, err));
        for (const struct settings_value *v = s->first; v != NULL; v = v->next) {
            if (v->key->kind == SETTINGS_REFERENCE) {
                VV_TRY(check_reference(c, v, err));
            }
            if (v->key->beside != NULL) {
                VV_TRY(check_company(c, s, v, err));
            }
        }
    }
    return VV_OK;
}

enum vv_rc
settings_check_secrets(struct settings *c, const struct settings_section *section,
                       struct vv_error *err)
{
    for (const struct settings_section *s = c->first; s != NULL; s = s->next) {
        if (section == NULL || section == s) {
            VV_TRY(check_section(c, s, err));
        }
    }
    return VV_OK;
}
