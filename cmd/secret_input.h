/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_SECRET_INPUT_H
#define VARVE_CMD_SECRET_INPUT_H

#include <stdbool.h>

#include "crypto/secret.h"
#include "format/key_slot.h"
#include "message.h"
#include "repo/key_slots.h"

/*
 * Where secrets come from.  Of several the first of: the options --key-file, --passphrase-file,
 * --passphrase-command, --recovery-file; in the environment VARVE_KEY_FILE, VARVE_PASSPHRASE_FILE,
 * VARVE_PASSPHRASE, VARVE_PASSPHRASE_COMMAND; a prompt.  What is typed counts more than what was
 * set once.  The prompt needs a terminal: the
 * process's controlling one, in whose foreground it runs, with standard input or error on it.
 * Secrets live in guarded memory only; those of the environment are wiped from it, so that commands
 * started later do not inherit them.
 */

struct secret_ways {
    const char *key_file;           /* --key-file, VARVE_KEY_FILE */
    const char *passphrase_file;    /* --passphrase-file, VARVE_PASSPHRASE_FILE */
    const char *passphrase_command; /* --passphrase-command, VARVE_PASSPHRASE_COMMAND */
    const char *recovery_file;      /* --recovery-file */
    const char *variable;           /* NULL: VARVE_PASSPHRASE; with _FILE and _COMMAND behind it */
    bool use_environment;
};

/** A secret as a key slot takes it. */
struct secret_value {
    enum key_slot_type type;
    struct secret *bytes;
    size_t len;                /* of what is used of bytes */
    struct vv_uuid repository; /* key files: which one it is for; zero: not said */
    const char *file;          /* key files: where it was read; NULL: nowhere */
    bool prompted;
};
void secret_value_release(struct secret_value *v);
struct slot_secret secret_value_slot(const struct secret_value *v);

/** secret_get(w, what, m, ret, err): the secret that opens ${what} (for the prompt).  VV_EKEY,
 *  with the ways there are as hint, if none is given and there is no terminal.  ret->prompted is
 *  set on failure too: whoever mistyped may be asked again. */
MUST_CHECK enum vv_rc secret_get(const struct secret_ways *w, const char *what, struct messages *m,
                                 struct secret_value *ret, struct vv_error *err);

/** secret_given(w): is any way but the prompt given? */
bool secret_given(const struct secret_ways *w);

/** secret_new_passphrase(w, what, m, ret, err): a passphrase to be set: from the ways of ${w} that
 *  are about passphrases, else asked for twice. */
MUST_CHECK enum vv_rc secret_new_passphrase(const struct secret_ways *w, const char *what,
                                            struct messages *m, struct secret_value *ret,
                                            struct vv_error *err);
/** secret_new_random(type, ret, err): 32 fresh bytes for a key file or recovery words. */
MUST_CHECK enum vv_rc secret_new_random(enum key_slot_type type, struct secret_value *ret,
                                        struct vv_error *err);

/** secret_write_key_file(path, v, repository, replace, err): 0400, durable; refuses an existing one
 *  (VV_EEXISTS) unless ${replace}. */
enum secret_write { SECRET_CREATE, SECRET_REPLACE };
MUST_CHECK enum vv_rc secret_write_key_file(const char *path, const struct secret_value *v,
                                            const struct vv_uuid *repository, enum secret_write how,
                                            struct vv_error *err);
/** secret_write_recovery_file(path, v, repository, how, err): the words, six a line. */
MUST_CHECK enum vv_rc secret_write_recovery_file(const char *path, const struct secret_value *v,
                                                 const struct vv_uuid *repository,
                                                 enum secret_write how, struct vv_error *err);
/** secret_words_text(v, indent, out): the words numbered, six a line; wipe ${out} afterwards. */
void secret_words_text(const struct secret_value *v, const char *indent, struct vv_buf *out);
/** secret_buf_wipe(b): wipe and release. */
void secret_buf_wipe(struct vv_buf *b);

/** secret_terminal(): is there a terminal to ask on, or to show recovery words on? */
bool secret_terminal(void);
/** secret_show(text, err): on the terminal itself, whatever standard output is. */
MUST_CHECK enum vv_rc secret_show(const char *text, struct vv_error *err);

#endif
