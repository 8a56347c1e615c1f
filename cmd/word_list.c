/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of a command line. */
#include "word_list.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
word_list_put(struct word_list *w, const char *word)
{
    if (word == NULL || w->failed) {
        w->failed = true;
        return;
    }
    if (w->count + 1 >= w->room) {
        size_t room = w->room == 0 ? 16 : w->room * 2;
        const char **grown = vv_arena_alloc(w->arena, room * sizeof(*grown));
        if (grown == NULL) {
            w->failed = true;
            return;
        }
        if (w->count > 0) {
            memcpy(grown, w->items, w->count * sizeof(*grown));
        }
        w->items = grown;
        w->room = room;
    }
    w->items[w->count++] = word;
    w->items[w->count] = NULL;
}

void
word_list_printf(struct word_list *w, const char *fmt, ...)
{
    va_list args;
    va_list again;
    char *word = NULL;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    if (len >= 0) {
        word = vv_arena_alloc(w->arena, (size_t)len + 1);
    }
    if (word != NULL) {
        (void)vsnprintf(word, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    va_end(args);
    word_list_put(w, word);
}

void
word_list_option(struct word_list *w, const char *name, const char *value)
{
    word_list_printf(w, "--%s=%s", name, value);
}

const char *const *
word_list_items(const struct word_list *w)
{
    static const char *const none[] = {NULL};

    return w->failed ? NULL : w->count == 0 ? none : w->items;
}
