/* SPDX-License-Identifier: BSD-2-Clause */
/* What the names of values stand for; the arguments in a synopsis. */
#include "value_names.h"

#include <string.h>

#include "core/macros.h"

static const char *const shells[] = {"bash", "zsh", "fish", NULL};

/* Every name of a value that a table of options or a synopsis uses: tests/unit/cmd/test_value_names.c
 * tells which is missing here. */
static const struct value_name vocabulary[] = {
    {"AMOUNT", VALUE_TEXT, NULL},     {"CLIENT", VALUE_TEXT, NULL},
    {"COMMAND", VALUE_COMMAND, NULL}, {"CONNECTION", VALUE_TEXT, NULL},
    {"DIR", VALUE_DIRECTORY, NULL},   {"DURATION", VALUE_TEXT, NULL},
    {"FILE", VALUE_FILE, NULL},       {"HEAD", VALUE_TEXT, NULL},
    {"HOST", VALUE_HOST, NULL},       {"ID", VALUE_TEXT, NULL},
    {"JOB", VALUE_JOB, NULL},         {"LEVEL", VALUE_TEXT, NULL},
    {"LIST", VALUE_TEXT, NULL},       {"LSN", VALUE_TEXT, NULL},
    {"N", VALUE_TEXT, NULL},          {"NAME", VALUE_TEXT, NULL},
    {"OID", VALUE_TEXT, NULL},        {"PATH", VALUE_FILE, NULL},
    {"PATTERN", VALUE_TEXT, NULL},    {"PERCENT", VALUE_TEXT, NULL},
    {"RATE", VALUE_TEXT, NULL},       {"REPO", VALUE_REPOSITORY, NULL},
    {"SEQUENCE", VALUE_TEXT, NULL},   {"SHA256", VALUE_TEXT, NULL},
    {"SHARE", VALUE_TEXT, NULL},      {"SHELL", VALUE_WORDS, shells},
    {"SIZE", VALUE_TEXT, NULL},       {"SLOT", VALUE_TEXT, NULL},
    {"SNAP", VALUE_SNAPSHOT, NULL},   {"TAG", VALUE_TEXT, NULL},
    {"TEXT", VALUE_TEXT, NULL},       {"TIME", VALUE_TEXT, NULL},
    {"WHEN", VALUE_TEXT, NULL},       {"XID", VALUE_TEXT, NULL},
};

/** Letters and digits of a name. */
static size_t
name_length(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
}

const struct value_name *
value_name_find(const char *text)
{
    size_t len = name_length(text);

    for (size_t i = 0; i < VV_COUNT(vocabulary); i++) {
        const struct value_name *v = &vocabulary[i];
        if (strlen(v->name) == len && memcmp(v->name, text, len) == 0) {
            return v;
        }
    }
    return NULL;
}

/** "--name" of a synopsis: does a value follow? */
static bool
takes_value(const struct option_spec *specs, const char *word, size_t len)
{
    for (const struct option_spec *s = specs; s != NULL && s->name != NULL; s++) {
        if (strlen(s->name) + 2 == len && memcmp(s->name, word + 2, len - 2) == 0) {
            return s->value != NULL;
        }
    }
    return false;
}

bool
synopsis_next(const char **at, const struct option_spec *specs, struct synopsis_argument *ret)
{
    const char *word = *at;
    bool is_value = false;

    for (;;) {
        size_t len;
        if (word == NULL) {
            return false;
        }
        word += strspn(word, " [");
        len = strcspn(word, " ");
        if (len == 0) {
            return false;
        }
        *at = word + len;
        if (strncmp(word, "--", 2) == 0) {
            is_value = takes_value(specs, word, len);
        } else if (!is_value && name_length(word) > 0) {
            *ret = (struct synopsis_argument){.name = word,
                                              .len = name_length(word),
                                              .repeated = memmem(word, len, "...", 3) != NULL};
            return true;
        } else {
            is_value = false;
        }
        word = *at;
    }
}
