/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_WORD_LIST_H
#define VARVE_CMD_WORD_LIST_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/macros.h"

/** Words of a command line, and lists like them, that grow in an arena.  Initialise with {.arena = ...}. */
struct word_list {
    struct vv_arena *arena;
    const char **items;
    size_t count;
    size_t room;
    bool failed; /* sticky: memory ran out */
};

/** word_list_put(w, word): ${word} is not copied; NULL: it could not be made. */
void word_list_put(struct word_list *w, const char *word);
/** word_list_printf(w, fmt, ...): a word that is made here. */
void word_list_printf(struct word_list *w, const char *fmt, ...) VV_PRINTF(2, 3);
/** word_list_option(w, name, value): "--NAME=VALUE", one word, since a value may begin with a dash. */
void word_list_option(struct word_list *w, const char *name, const char *value);
/** word_list_items(w): NULL-terminated, also if there are none; NULL: memory ran out. */
const char *const *word_list_items(const struct word_list *w);

#endif
