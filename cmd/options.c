/* SPDX-License-Identifier: BSD-2-Clause */
/* Command lines, from tables. */
#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"

#define MAX_CANDIDATES 128
#define NUMBER_MAX 65535u
#define HELP_COLUMN 30

void
option_list_release(struct option_list *l)
{
    vv_free(l->uses);
    *l = (struct option_list){0};
}

void
arguments_release(struct arguments *a)
{
    vv_free(a->items);
    *a = (struct arguments){0};
}

/** The option called ${name} (${len} bytes), or with ${letter}; NULL if there is none. */
static const struct option_spec *
find(const struct option_set *sets, size_t count, const char *name, size_t len, char letter,
     const struct option_set **ret_set)
{
    for (size_t i = 0; i < count; i++) {
        for (const struct option_spec *s = sets[i].specs; s->name != NULL; s++) {
            bool same = name != NULL ? strlen(s->name) == len && memcmp(s->name, name, len) == 0
                                     : s->letter != '\0' && s->letter == letter;
            if (same) {
                *ret_set = &sets[i];
                return s;
            }
        }
    }
    return NULL;
}

static enum vv_rc
unknown(const struct option_set *sets, size_t count, const char *word, size_t len,
        struct vv_error *err)
{
    const char *names[MAX_CANDIDATES];
    unsigned known = 0;
    char asked[64];
    const char *nearest;
    enum vv_rc rc = vv_error_set(err, VV_EUSAGE, "unknown option '%.*s'", (int)len, word);

    if (len <= 2 || len - 2 >= sizeof(asked)) {
        return rc;
    }
    memcpy(asked, word + 2, len - 2);
    asked[len - 2] = '\0';
    for (size_t i = 0; i < count; i++) {
        for (const struct option_spec *s = sets[i].specs; s->name != NULL && known < MAX_CANDIDATES;
             s++) {
            names[known++] = s->name;
        }
    }
    nearest = vv_text_nearest(asked, names, known);
    if (nearest != NULL) {
        vv_error_hint(err, "did you mean '--%s'?", nearest);
    }
    return rc;
}

static enum vv_rc
bad_value(const struct option_spec *s, const char *value, const char *wanted, struct vv_error *err)
{
    enum vv_rc rc =
        vv_error_set(err, VV_EUSAGE, "option '--%s': '%s' is not %s", s->name, value, wanted);
    return rc;
}

static enum vv_rc
store_choice(const struct option_spec *s, int *to, const char *value, struct vv_error *err)
{
    struct vv_buf all = {0};

    for (int i = 0; s->choices[i] != NULL; i++) {
        if (strcmp(s->choices[i], value) == 0) {
            *to = i;
            vv_buf_release(&all);
            return VV_OK;
        }
        vv_buf_printf(&all, "%s%s", i > 0 ? ", " : "", s->choices[i]);
    }
    (void)vv_error_set(err, VV_EUSAGE, "option '--%s': '%s' is not one of: %s", s->name, value,
                       vv_buf_text(&all));
    vv_buf_release(&all);
    return VV_EUSAGE;
}

static enum vv_rc
store_number(const struct option_spec *s, unsigned *to, const char *value, struct vv_error *err)
{
    char *end = NULL;
    unsigned long n = value[0] >= '0' && value[0] <= '9' ? strtoul(value, &end, 10) : 0;

    if (end == NULL || *end != '\0' || n == 0 || n > NUMBER_MAX) {
        return bad_value(s, value, "a number from 1 to 65535", err);
    }
    *to = (unsigned)n;
    return VV_OK;
}

static enum vv_rc
store_use(const struct option_spec *s, struct option_list *l, const char *value,
          struct vv_error *err)
{
    struct option_use *grown = vv_realloc_array(l->uses, l->count + 1, sizeof(*grown));

    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    l->uses = grown;
    l->uses[l->count++] = (struct option_use){.spec = s, .value = value};
    return VV_OK;
}

static enum vv_rc
store(const struct option_set *set, const struct option_spec *s, const char *value,
      struct vv_error *err)
{
    void *to = (char *)set->values + s->offset;

    switch (s->kind) {
    case OPTION_FLAG:
        *(bool *)to = true;
        return VV_OK;
    case OPTION_COUNT:
        ++*(unsigned *)to;
        return VV_OK;
    case OPTION_TEXT:
        if (value[0] == '\0') {
            return vv_error_set(err, VV_EUSAGE, "option '--%s' must not be empty", s->name);
        }
        *(const char **)to = value;
        return VV_OK;
    case OPTION_LIST:
        return store_use(s, to, value, err);
    case OPTION_SIZE:
        if (!vv_text_parse_size(value, to)) {
            return bad_value(s, value, "a size such as 64M", err);
        }
        return VV_OK;
    case OPTION_NUMBER:
        return store_number(s, to, value, err);
    case OPTION_CHOICE:
        return store_choice(s, to, value, err);
    }
    return VV_OK;
}

static bool
takes_value(const struct option_spec *s)
{
    return s->kind != OPTION_FLAG && s->kind != OPTION_COUNT;
}

/** The command line while it is taken apart. */
struct parse {
    const struct option_set *sets;
    size_t count;
    int argc;
    char *const *argv;
    int at; /* next word */
};

/** --name, --name=value, --name value */
static enum vv_rc
parse_long(struct parse *p, const char *word, struct vv_error *err)
{
    const char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct option_set *set = NULL;
    const struct option_spec *s = find(p->sets, p->count, word + 2, len - 2, '\0', &set);

    if (s == NULL) {
        return unknown(p->sets, p->count, word, len, err);
    }
    if (!takes_value(s)) {
        if (equals != NULL) {
            return vv_error_set(err, VV_EUSAGE, "option '--%s' takes no value", s->name);
        }
        return store(set, s, NULL, err);
    }
    if (equals == NULL && p->at >= p->argc) {
        return vv_error_set(err, VV_EUSAGE, "option '--%s' needs a value: %s", s->name, s->value);
    }
    return store(set, s, equals != NULL ? equals + 1 : p->argv[p->at++], err);
}

/** -a, -ab, -nVALUE, -n VALUE */
static enum vv_rc
parse_short(struct parse *p, const char *word, struct vv_error *err)
{
    for (const char *c = word + 1; *c != '\0'; c++) {
        const struct option_set *set = NULL;
        const struct option_spec *s = find(p->sets, p->count, NULL, 0, *c, &set);
        if (s == NULL) {
            return vv_error_set(err, VV_EUSAGE, "unknown option '-%c' in '%s'", *c, word);
        }
        if (!takes_value(s)) {
            VV_TRY(store(set, s, NULL, err));
            continue;
        }
        if (c[1] != '\0') {
            return store(set, s, c + 1, err);
        }
        if (p->at >= p->argc) {
            return vv_error_set(err, VV_EUSAGE, "option '-%c' needs a value: %s", *c, s->value);
        }
        return store(set, s, p->argv[p->at++], err);
    }
    return VV_OK;
}

enum vv_rc
options_parse(const struct option_set *sets, size_t count, int argc, char *const *argv, bool stop,
              struct arguments *ret, int *ret_used, struct vv_error *err)
{
    struct parse p = {.sets = sets, .count = count, .argc = argc, .argv = argv};
    struct arguments a = {.items = vv_alloc_array((size_t)argc + 1, sizeof(*a.items))};
    bool ended = false;
    enum vv_rc rc = VV_OK;

    if (a.items == NULL) {
        return vv_error_nomem(err);
    }
    while (p.at < argc && rc == VV_OK) {
        const char *word = argv[p.at];
        if (ended || word[0] != '-' || word[1] == '\0') {
            if (stop) {
                break;
            }
            a.items[a.count++] = word;
            p.at++;
            continue;
        }
        p.at++;
        if (strcmp(word, "--") == 0) {
            ended = true;
        } else if (word[1] == '-') {
            rc = parse_long(&p, word, err);
        } else {
            rc = parse_short(&p, word, err);
        }
    }
    if (rc != VV_OK) {
        arguments_release(&a);
        return rc;
    }
    if (ret_used != NULL) {
        *ret_used = p.at;
    }
    *ret = a;
    return VV_OK;
}

void
options_print(const struct option_spec *specs, const struct option_spec *hidden_by, FILE *file)
{
    for (const struct option_spec *s = specs; s->name != NULL; s++) {
        const struct option_set hiding = {.specs = hidden_by};
        const struct option_set *set = NULL;
        int used;
        if (hidden_by != NULL && find(&hiding, 1, s->name, strlen(s->name), '\0', &set) != NULL) {
            continue;
        }
        if (s->letter != '\0') {
            used = fprintf(file, "  -%c, --%s", s->letter, s->name);
        } else {
            used = fprintf(file, "  --%s", s->name);
        }
        if (s->value != NULL) {
            used += fprintf(file, " %s", s->value);
        }
        if (used >= HELP_COLUMN - 1) {
            fprintf(file, "\n%*s%s\n", HELP_COLUMN, "", s->help);
        } else {
            fprintf(file, "%*s%s\n", HELP_COLUMN - used, "", s->help);
        }
    }
}
