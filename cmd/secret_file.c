/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that secrets are written to: key files and recovery words. */
#include <fcntl.h>
#include <string.h>

#include "core/file.h"
#include "crypto/passphrase.h"
#include "secret_input.h"

#define SECRET_MODE 0400
#define WORDS_A_LINE 6

static enum vv_rc
write_secret(const char *path, struct vv_buf *text, enum secret_write how, const char *what,
             struct vv_error *err)
{
    enum vv_rc rc = vv_buf_check(text, err);

    if (rc == VV_OK) {
        rc = how == SECRET_CREATE
                 ? vv_file_create(AT_FDCWD, path, vv_buf_span(text), SECRET_MODE, err)
                 : vv_file_replace(AT_FDCWD, path, vv_buf_span(text), SECRET_MODE, err);
    }
    if (rc == VV_EEXISTS) {
        rc = vv_error_set(err, VV_EEXISTS, "%s '%s' exists already", what, path);
        vv_error_hint(err, "name another file; an existing one is never overwritten");
    }
    return rc;
}

enum vv_rc
secret_write_key_file(const char *path, const struct secret_value *v,
                      const struct vv_uuid *repository, enum secret_write how, struct vv_error *err)
{
    struct key_file file = {.repository = *repository};
    struct vv_buf text = {0};
    enum vv_rc rc;

    memcpy(file.secret, secret_data(v->bytes), sizeof(file.secret));
    rc = vv_buf_reserve(&text, 1024, err); /* so that growing leaves no copy behind */
    if (rc == VV_OK) {
        rc = key_file_encode(&file, &text, err);
    }
    if (rc == VV_OK) {
        rc = write_secret(path, &text, how, "key file", err);
    }
    crypto_wipe(&file, sizeof(file));
    secret_buf_wipe(&text);
    return rc;
}

void
secret_words_text(const struct secret_value *v, const char *indent, struct vv_buf *out)
{
    char words[RECOVERY_TEXT_MAX];
    char *next = words;
    char *word;

    recovery_words_encode(secret_data(v->bytes), words);
    for (unsigned i = 0; (word = strsep(&next, " ")) != NULL; i++) {
        bool last = (i + 1) % WORDS_A_LINE == 0;
        vv_buf_printf(out, "%s%2u. %s", i % WORDS_A_LINE == 0 ? indent : "", i + 1, word);
        if (last || next == NULL) {
            vv_buf_put_text(out, "\n");
        } else {
            vv_buf_printf(out, "%*s", (int)(10 - strlen(word)), "");
        }
    }
    crypto_wipe(words, sizeof(words));
}

enum vv_rc
secret_write_recovery_file(const char *path, const struct secret_value *v,
                           const struct vv_uuid *repository, enum secret_write how,
                           struct vv_error *err)
{
    struct vv_buf text = {0};
    char id[VV_UUID_TEXT];
    enum vv_rc rc;

    VV_TRY(vv_buf_reserve(&text, 2048, err));
    vv_uuid_text(repository, id);
    vv_buf_printf(&text,
                  "# Recovery words of the varve repository %s\n"
                  "# Whoever has them can read and change it.  Keep them apart from it.\n",
                  id);
    secret_words_text(v, "", &text);
    rc = write_secret(path, &text, how, "recovery file", err);
    secret_buf_wipe(&text);
    return rc;
}
