/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets that are to be: new passphrases, fresh random bytes; and showing recovery words. */
#include <string.h>

#include "core/file.h"
#include "core/random.h"
#include "crypto/passphrase.h"
#include "secret_internal.h"
#include "terminal_prompt.h"

/** Ask twice. */
static enum vv_rc
ask_twice(const char *what, struct secret_value *ret, struct vv_error *err)
{
    struct secret_value again = {0};
    struct vv_buf text = {0};
    enum vv_rc rc = secret_begin(KEY_SLOT_PASSPHRASE, SECRET_MAX, ret, err);

    vv_buf_printf(&text, "new passphrase for %s: ", what);
    if (rc == VV_OK) {
        rc = secret_begin(KEY_SLOT_PASSPHRASE, SECRET_MAX, &again, err);
    }
    if (rc == VV_OK) {
        rc = prompt_secret(vv_buf_text(&text), (char *)secret_data(ret->bytes), SECRET_MAX - 1,
                           &ret->len, err);
    }
    if (rc == VV_OK) {
        rc = secret_take_line(ret, "the prompt", err);
    }
    if (rc == VV_OK) {
        rc = prompt_secret("the same again: ", (char *)secret_data(again.bytes), SECRET_MAX - 1,
                           &again.len, err);
    }
    if (rc == VV_OK &&
        (again.len != ret->len ||
         !crypto_equal(secret_data(again.bytes), secret_data(ret->bytes), ret->len))) {
        rc = vv_error_set(err, VV_EKEY, "the two passphrases differ");
        vv_error_hint(err, "nothing was changed; try again");
    }
    vv_buf_release(&text);
    secret_value_release(&again);
    return rc;
}

enum vv_rc
secret_new_passphrase(const struct secret_ways *w, const char *what, struct messages *m,
                      struct secret_value *ret, struct vv_error *err)
{
    struct secret_value v = {0};
    bool found = false;
    enum vv_rc rc = secret_passphrase_option(w, m, &v, &found, err);

    if (!found) {
        rc = secret_passphrase_environment(w, m, &v, &found, err);
    }
    if (rc == VV_OK && !found) {
        if (secret_terminal()) {
            rc = ask_twice(what, &v, err);
        } else {
            rc = vv_error_set(err, VV_EKEY,
                              "no new passphrase was given, and there is no terminal to ask on");
        }
    }
    if (rc == VV_OK && recovery_words_like(vv_span(secret_data(v.bytes), v.len))) {
        /* The prompt could not tell it from recovery words. */
        rc = vv_error_set(err, VV_EKEY, "a passphrase must not look like recovery words");
    }
    if (rc != VV_OK) {
        secret_value_release(&v);
        return rc;
    }
    *ret = v;
    return VV_OK;
}

enum vv_rc
secret_new_random(enum key_slot_type type, struct secret_value *ret, struct vv_error *err)
{
    struct secret_value v = {0};

    VV_TRY(secret_begin(type, 32, &v, err));
    vv_random(secret_data(v.bytes), 32);
    v.len = 32;
    *ret = v;
    return VV_OK;
}

bool
secret_terminal(void)
{
    int fd = prompt_terminal();

    vv_fd_close(fd);
    return fd >= 0;
}

enum vv_rc
secret_show(const char *text, struct vv_error *err)
{
    int fd = prompt_terminal();
    enum vv_rc rc;

    if (fd < 0) {
        return vv_error_set(err, VV_EIO, "there is no terminal to show the recovery words on");
    }
    rc = vv_fd_write_full(fd, text, strlen(text), "the terminal", err);
    vv_fd_close(fd);
    return rc;
}
