/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration as a whole: making it, asking it, and what is wrong with it. */
#include "config/settings_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"

enum vv_rc
settings_new(const struct settings_spec *specs, unsigned count, struct settings **ret,
             struct vv_error *err)
{
    struct settings *c = vv_alloc_array(1, sizeof(*c));

    if (c == NULL) {
        return vv_error_nomem(err);
    }
    c->specs = specs;
    c->spec_count = count;
    *ret = c;
    return VV_OK;
}

void
settings_free(struct settings *c)
{
    if (c != NULL) {
        vv_arena_release(&c->arena);
        vv_free(c);
    }
}

enum vv_rc
settings_complain(struct settings *c, struct settings_place place, const char *hint,
                  struct vv_error *err, const char *fmt, ...)
{
    struct settings_problem *p = vv_arena_alloc(&c->arena, sizeof(*p));
    char text[1024];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    if (hint == NULL) {
        hint = "";
    }
    if (p == NULL) {
        return vv_error_nomem(err);
    }
    *p = (struct settings_problem){.place = place,
                                   .text = vv_arena_copy(&c->arena, text, strlen(text)),
                                   .hint = vv_arena_copy(&c->arena, hint, strlen(hint))};
    if (p->text == NULL || p->hint == NULL) {
        return vv_error_nomem(err);
    }
    if (c->last_problem != NULL) {
        c->last_problem->next = p;
    } else {
        c->first_problem = p;
    }
    c->last_problem = p;
    c->problem_count++;
    return VV_OK;
}

void
settings_did_you_mean(const char *const *names, unsigned count, const char *word,
                      struct vv_buf *out)
{
    const char *nearest = vv_text_nearest(word, names, count);

    if (nearest != NULL) {
        vv_buf_printf(out, "did you mean '%s'?", nearest);
    }
}

const struct settings_problem *
settings_problems(const struct settings *c)
{
    return c->first_problem;
}

unsigned
settings_problem_count(const struct settings *c)
{
    return c->problem_count;
}

const struct settings_section *
settings_sections(const struct settings *c)
{
    return c->first;
}

const struct settings_section *
settings_find(const struct settings *c, const char *kind, const char *name)
{
    for (const struct settings_section *s = c->first; s != NULL; s = s->next) {
        if (strcmp(s->spec->kind, kind) == 0 && strcmp(s->name, name) == 0) {
            return s;
        }
    }
    return NULL;
}

enum vv_rc
settings_names(const struct settings *c, const char *kind, struct vv_buf *out, struct vv_error *err)
{
    for (const struct settings_section *s = c->first; s != NULL; s = s->next) {
        if (strcmp(s->spec->kind, kind) == 0) {
            vv_buf_printf(out, "%s%s", out->len > 0 && s->name[0] != '\0' ? ", " : "", s->name);
        }
    }
    return vv_buf_check(out, err);
}

const struct settings_value *
settings_next(const struct settings_section *s, const char *key,
              const struct settings_value *before)
{
    const struct settings_value *v = before != NULL ? before->next : s->first;

    while (v != NULL && strcmp(v->key->name, key) != 0) {
        v = v->next;
    }
    return v;
}

const char *
settings_get(const struct settings_section *s, const char *key)
{
    const struct settings_value *v = settings_next(s, key, NULL);

    return v != NULL ? v->text : NULL;
}

bool
settings_flag(const struct settings_section *s, const char *key, bool otherwise)
{
    const char *text = settings_get(s, key);

    return text != NULL ? strcmp(text, "yes") == 0 : otherwise;
}
