/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_STORAGE_NOTES_H
#define VARVE_CMD_STORAGE_NOTES_H

#include "app.h"

struct storage_notes {
    bool durable;
    bool recovery_words;
};
/** storage_notes(app, ret): look. */
void storage_notes(struct app *app, struct storage_notes *ret);
/** What of it a summary must say. */
void storage_notes_print(const struct storage_notes *n, FILE *file);
void storage_notes_json(const struct storage_notes *n, struct json *j);

#endif
