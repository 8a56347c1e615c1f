/* SPDX-License-Identifier: BSD-2-Clause */
/* From a file's text to sections and values. */
#include <string.h>

#include "config/settings_internal.h"

#define LIMIT_NAME_OF_SECTION 64u

/** A file being read. */
struct parsing {
    struct settings *c;
    const char *file;
    struct vv_span rest;
    struct vv_buf line;               /* joined from those that go on */
    unsigned number;                  /* of its first line */
    unsigned lines;                   /* read so far */
    struct settings_section *section; /* NULL: none yet */
    bool skip;                        /* what follows belongs to a section that cannot be */
};

static struct settings_place
here(const struct parsing *p)
{
    return (struct settings_place){.file = p->file, .line = p->number};
}

static bool
is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct vv_span
trim(struct vv_span s)
{
    while (s.len > 0 && is_space(s.data[0])) {
        s = vv_span(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && is_space(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* One line of the file, without its end. */
static struct vv_span
take_line(struct parsing *p)
{
    const uint8_t *end = memchr(p->rest.data, '\n', p->rest.len);
    size_t len = end != NULL ? (size_t)(end - p->rest.data) : p->rest.len;
    struct vv_span line = vv_span(p->rest.data, len);

    p->rest = end != NULL ? vv_span(end + 1, p->rest.len - len - 1) : vv_span(NULL, 0);
    p->lines++;
    return line;
}

static bool
goes_on(struct vv_span line)
{
    return line.len > 0 && line.data[line.len - 1] == '\\';
}

/* The next line with all that goes on behind it, into p->line, trimmed; false: the end. */
static bool
next_line(struct parsing *p)
{
    struct vv_span line;
    bool comment;

    if (p->rest.len == 0) {
        return false;
    }
    vv_buf_reset(&p->line);
    p->number = p->lines + 1;
    line = trim(take_line(p));
    comment = line.len > 0 && (line.data[0] == '#' || line.data[0] == ';');
    while (!comment && goes_on(line) && p->rest.len > 0) {
        struct vv_span part = trim(vv_span(line.data, line.len - 1));
        vv_buf_put(&p->line, part.data, part.len);
        vv_buf_put_u8(&p->line, ' ');
        line = trim(take_line(p));
    }
    if (!comment) {
        vv_buf_put(&p->line, line.data, line.len);
    }
    return true;
}

static const char *
copy(struct parsing *p, struct vv_span text)
{
    return vv_arena_copy(&p->c->arena, text.data, text.len);
}

/* ---- sections ---- */

/* What stands behind its kind, for messages. */
static const char *
name_of(const struct settings_spec *spec)
{
    return spec->unnamed_too ? " [NAME]" : spec->named ? " NAME" : "";
}

static enum vv_rc
unknown_section(struct parsing *p, const char *kind, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf hint = {0};
    const char *names[32];
    unsigned count = 0;

    for (unsigned i = 0; i < p->c->spec_count && count < VV_COUNT(names); i++) {
        names[count++] = p->c->specs[i].kind;
    }
    settings_did_you_mean(names, count, kind, &hint);
    if (hint.len == 0) {
        vv_buf_put_text(&hint, "sections are");
        for (unsigned i = 0; i < p->c->spec_count; i++) {
            vv_buf_printf(&hint, "%s [%s%s]", i > 0 ? "," : "", p->c->specs[i].kind,
                          name_of(&p->c->specs[i]));
        }
    }
    VV_TRY(vv_buf_check(&hint, err));
    return settings_complain(p->c, here(p), vv_buf_text(&hint), err, "there is no section [%s]",
                             kind);
}

static bool
is_name(struct vv_span name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    for (size_t i = 0; i < name.len; i++) {
        if (memchr(allowed, name.data[i], sizeof(allowed) - 1) == NULL) {
            return false;
        }
    }
    return name.len > 0 && name.len <= LIMIT_NAME_OF_SECTION && name.data[0] != '-' &&
           name.data[0] != '.';
}

static enum vv_rc
add_section(struct parsing *p, const struct settings_spec *spec, const char *name,
            struct vv_error *err)
{
    const struct settings_section *other = settings_find(p->c, spec->kind, name);
    struct settings_section *s;

    if (other != NULL) {
        return settings_complain(p->c, here(p), "give one of them another name, or join them", err,
                                 "[%s%s%s] is there already: %s:%u", spec->kind,
                                 name[0] != '\0' ? " " : "", name, other->place.file,
                                 other->place.line);
    }
    s = vv_arena_alloc(&p->c->arena, sizeof(*s));
    if (s == NULL) {
        return vv_error_nomem(err);
    }
    *s = (struct settings_section){.spec = spec, .name = name, .place = here(p)};
    if (p->c->last != NULL) {
        p->c->last->next = s;
    } else {
        p->c->first = s;
    }
    p->c->last = s;
    p->section = s;
    p->skip = false;
    return VV_OK;
}

/* "[job web]" */
static enum vv_rc
take_section(struct parsing *p, struct vv_span line, struct vv_error *err)
{
    struct vv_span inside = trim(vv_span(line.data + 1, line.len - 1));
    struct vv_span name;
    const char *kind;
    const char *text;
    size_t len = 0;

    p->section = NULL;
    p->skip = true; /* until a section is right: one message is enough */
    if (inside.len == 0 || inside.data[inside.len - 1] != ']') {
        return settings_complain(p->c, here(p), "write [KIND NAME]", err,
                                 "a section does not end with ']'");
    }
    inside = trim(vv_span(inside.data, inside.len - 1));
    while (len < inside.len && !is_space(inside.data[len])) {
        len++;
    }
    kind = copy(p, vv_span(inside.data, len));
    name = trim(vv_span(inside.data + len, inside.len - len));
    text = copy(p, name);
    if (kind == NULL || text == NULL) {
        return vv_error_nomem(err);
    }
    for (unsigned i = 0; i < p->c->spec_count; i++) {
        const struct settings_spec *spec = &p->c->specs[i];
        if (strcmp(spec->kind, kind) != 0) {
            continue;
        }
        bool may_lack = spec->unnamed_too && name.len == 0;
        if (spec->named && !may_lack && !is_name(name)) {
            return settings_complain(
                p->c, here(p), "a name has up to 64 letters, digits, '_', '-' and '.'", err,
                name.len == 0 ? "[%s] has no name%s" : "[%s %s]: that is no name", kind, text);
        }
        if (!spec->named && name.len > 0) {
            return settings_complain(p->c, here(p), NULL, err, "[%s] has no name: '%s'", kind,
                                     text);
        }
        return add_section(p, spec, text, err);
    }
    return unknown_section(p, kind, err);
}

/* ---- values ---- */

static const struct settings_key *
find_key(const struct settings_spec *spec, const char *name)
{
    for (const struct settings_key *k = spec->keys; k->name != NULL; k++) {
        if (strcmp(k->name, name) == 0) {
            return k;
        }
    }
    return NULL;
}

static enum vv_rc
unknown_key(struct parsing *p, const char *name, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf hint = {0};
    const struct settings_spec *spec = p->section->spec;
    const char *names[128];
    unsigned count = 0;

    for (const struct settings_key *k = spec->keys; k->name != NULL && count < VV_COUNT(names);
         k++) {
        names[count++] = k->name;
    }
    settings_did_you_mean(names, count, name, &hint);
    for (unsigned i = 0; hint.len == 0 && i < p->c->spec_count; i++) {
        if (find_key(&p->c->specs[i], name) != NULL) {
            vv_buf_printf(&hint, "it belongs into [%s%s]", p->c->specs[i].kind,
                          name_of(&p->c->specs[i]));
        }
    }
    if (hint.len == 0) {
        vv_buf_put_text(&hint, "'varve config example' shows all keys");
    }
    VV_TRY(vv_buf_check(&hint, err));
    return settings_complain(p->c, here(p), vv_buf_text(&hint), err, "[%s] has no key '%s'",
                             spec->kind, name);
}

static enum vv_rc
check_value(struct parsing *p, const struct settings_key *key, const char *text, bool *ret,
            struct vv_error *err)
{
    *ret = true;
    if (text[0] == '\0') {
        *ret = false;
        return settings_complain(p->c, here(p), "give it a value, or leave the line out", err,
                                 "'%s' has no value", key->name);
    }
    if (key->kind == SETTINGS_FLAG && strcmp(text, "yes") != 0 && strcmp(text, "no") != 0) {
        *ret = false;
        return settings_complain(p->c, here(p), "write yes or no", err, "%s: '%s' is not yes or no",
                                 key->name, text);
    }
    if (key->check != NULL && !key->check(text)) {
        *ret = false;
        return key->discreet ? settings_complain(p->c, here(p), NULL, err, "%s: this is not %s",
                                                 key->name, key->wanted)
                             : settings_complain(p->c, here(p), NULL, err, "%s: '%s' is not %s",
                                                 key->name, text, key->wanted);
    }
    return VV_OK;
}

static enum vv_rc
add_value(struct parsing *p, const struct settings_key *key, const char *text, struct vv_error *err)
{
    const struct settings_value *other = settings_next(p->section, key->name, NULL);
    struct settings_value *v;
    bool right;

    if (other != NULL && !key->list) {
        return settings_complain(p->c, here(p), "leave one of them out", err,
                                 "'%s' is given twice: line %u has it, too", key->name,
                                 other->place.line);
    }
    VV_TRY(check_value(p, key, text, &right, err));
    v = vv_arena_alloc(&p->c->arena, sizeof(*v));
    if (v == NULL) {
        return vv_error_nomem(err);
    }
    /* A wrong one is kept, too: it is not missing. */
    *v = (struct settings_value){.key = key, .text = text, .place = here(p)};
    if (p->section->last != NULL) {
        p->section->last->next = v;
    } else {
        p->section->first = v;
    }
    p->section->last = v;
    return VV_OK;
}

static enum vv_rc
take_value(struct parsing *p, struct vv_span line, struct vv_error *err)
{
    const uint8_t *equals = memchr(line.data, '=', line.len);
    const struct settings_key *key;
    struct vv_span value;
    const char *name;
    const char *text;

    if (equals == NULL) {
        return settings_complain(p->c, here(p), "write KEY = VALUE; a comment begins with '#'", err,
                                 "neither a section nor a value");
    }
    if (p->section == NULL) {
        return settings_complain(p->c, here(p), "a section such as [job NAME] comes first", err,
                                 "a value outside of a section");
    }
    value = trim(vv_span(equals + 1, line.len - (size_t)(equals + 1 - line.data)));
    /* With another one inside they belong to a shell. */
    if (value.len >= 2 && value.data[0] == '"' &&
        memchr(value.data + 1, '"', value.len - 1) == value.data + value.len - 1) {
        value = vv_span(value.data + 1, value.len - 2);
    }
    name = copy(p, trim(vv_span(line.data, (size_t)(equals - line.data))));
    text = copy(p, value);
    if (name == NULL || text == NULL) {
        return vv_error_nomem(err);
    }
    key = find_key(p->section->spec, name);
    return key != NULL ? add_value(p, key, text, err) : unknown_key(p, name, err);
}

static enum vv_rc
parse(struct parsing *p, struct vv_error *err)
{
    while (next_line(p)) {
        struct vv_span line = vv_buf_span(&p->line);
        VV_TRY(vv_buf_check(&p->line, err));
        if (line.len == 0) {
            continue;
        }
        if (line.data[0] == '[') {
            VV_TRY(take_section(p, line, err));
        } else if (!p->skip) {
            VV_TRY(take_value(p, line, err));
        }
    }
    return VV_OK;
}

enum vv_rc
settings_add_text(struct settings *c, const char *file, struct vv_span text, struct vv_error *err)
{
    struct parsing p = {.c = c, .rest = text};
    enum vv_rc rc;

    p.file = vv_arena_copy(&c->arena, file, strlen(file));
    if (p.file == NULL) {
        return vv_error_nomem(err);
    }
    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) {
        p.number = 1;
        return settings_complain(c, here(&p), NULL, err,
                                 "this is no text: it has a NUL byte in it");
    }
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) { /* some editors' mark */
        p.rest = vv_span(text.data + 3, text.len - 3);
    }
    rc = parse(&p, err);
    vv_buf_release(&p.line);
    return rc;
}
