/* SPDX-License-Identifier: BSD-2-Clause */
/* What a summary must not keep quiet about: missing recovery words, storage that is not durable. */
#include "storage_notes.h"

void
storage_notes(struct app *app, struct storage_notes *ret)
{
    const struct site *site = repo_site(app->repo);
    bool recovery = true;

    *ret = (struct storage_notes){.durable = true, .recovery_words = true};
    if (!vv_uuid_is_zero(&site->id)) {
        uint32_t wanted = STORAGE_DURABLE_FILE | STORAGE_DURABLE_NAME;
        ret->durable = (site->abilities & wanted) == wanted;
    }
    if (repo_has_recovery(app->repo, &recovery, NULL) == VV_OK) {
        ret->recovery_words = recovery;
    }
}

void
storage_notes_print(const struct storage_notes *n, FILE *file)
{
    if (!n->durable) {
        fprintf(file,
                "  note: this storage does not promise that what was written survives a power "
                "cut\n");
    }
    if (!n->recovery_words) {
        fprintf(file,
                "  note: no recovery words exist; without its key nobody opens this repository\n"
                "        ('varve key add --new-recovery-file FILE' makes some)\n");
    }
}

void
storage_notes_json(const struct storage_notes *n, struct json *j)
{
    json_put_bool(j, "recovery_words", n->recovery_words);
    json_put_bool(j, "durable", n->durable);
}
