/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a configuration file. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_short(const char *text)
{
    return strlen(text) < 4;
}

static const struct settings_key keys[] = {
    {.name = "a", .list = true, .value = "A"},
    {.name = "b", .required = true, .check = is_short, .wanted = "short", .value = "B"},
    {.name = "c", .kind = SETTINGS_FLAG, .value = "yes"},
    {.name = "d", .kind = SETTINGS_REFERENCE, .refers = "x", .list = true, .value = "NAME"},
    {0},
};
static const struct settings_spec specs[] = {
    {.kind = "x", .named = true, .keys = keys},
    {.kind = "y", .keys = keys},
    {.kind = "z", .named = true, .unnamed_too = true, .keys = keys}};

/* What was taken is what the table allows, and every problem has a line of the file. */
static void
check(const struct settings *s, size_t size)
{
    for (const struct settings_section *x = settings_sections(s); x != NULL; x = x->next) {
        if ((x->name[0] == '\0' ? x->spec->named && !x->spec->unnamed_too : !x->spec->named) ||
            settings_find(s, x->spec->kind, x->name) != x) {
            abort();
        }
        for (const struct settings_value *v = x->first; v != NULL; v = v->next) {
            if (!v->key->list && settings_next(x, v->key->name, v) != NULL) {
                abort();
            }
        }
    }
    for (const struct settings_problem *p = settings_problems(s); p != NULL; p = p->next) {
        if (p->place.line == 0 || p->place.line > size + 1 || p->text[0] == '\0') {
            abort();
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings *s = NULL;

    if (settings_new(specs, VV_COUNT(specs), &s, NULL) != VV_OK ||
        settings_add_text(s, "f", vv_span(data, size), NULL) != VV_OK ||
        settings_check(s, NULL) != VV_OK) {
        abort(); /* only memory can fail */
    }
    check(s, size);
    settings_free(s);
    return 0;
}
