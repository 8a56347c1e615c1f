/* SPDX-License-Identifier: BSD-2-Clause */
/* Where secrets come from. */
#include "secret_input.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "crypto/passphrase.h"
#include "secret_internal.h"
#include "signals.h"
#include "terminal_prompt.h"

#define WAYS                                                                                       \
    "give --key-file, --passphrase-file, --passphrase-command or --recovery-file, or set "         \
    "VARVE_KEY_FILE, VARVE_PASSPHRASE_FILE, VARVE_PASSPHRASE or VARVE_PASSPHRASE_COMMAND; on a "   \
    "terminal you are asked"

void
secret_value_release(struct secret_value *v)
{
    secret_free(v->bytes);
    *v = (struct secret_value){0};
}

struct slot_secret
secret_value_slot(const struct secret_value *v)
{
    return (struct slot_secret){.type = v->type, .secret = vv_span(secret_data(v->bytes), v->len)};
}

void
secret_buf_wipe(struct vv_buf *b)
{
    if (b->data != NULL) {
        crypto_wipe(b->data, b->cap);
    }
    vv_buf_release(b);
}

enum vv_rc
secret_begin(enum key_slot_type type, size_t size, struct secret_value *ret, struct vv_error *err)
{
    VV_TRY(crypto_init(err));
    VV_TRY(secret_new(size, &ret->bytes, err));
    ret->type = type;
    ret->len = 0;
    return VV_OK;
}

/** Read ${fd} to its end into the secret's memory. */
static enum vv_rc
read_all(int fd, const char *name, struct secret_value *v, struct vv_error *err)
{
    for (;;) {
        ssize_t n = read(fd, secret_data(v->bytes) + v->len, secret_len(v->bytes) - v->len);
        if (n < 0 && errno == EINTR) {
            VV_TRY(vv_cancel_check(signals_cancel(), err));
            continue;
        }
        if (n < 0) {
            return vv_error_sys(err, errno, "cannot read '%s'", name);
        }
        if (n == 0) {
            return VV_OK;
        }
        v->len += (size_t)n;
        if (v->len == secret_len(v->bytes)) {
            return vv_error_set(err, VV_ELIMIT, "'%s' holds more than %u bytes", name,
                                SECRET_MAX - 1);
        }
    }
}

/** Open a file that holds a secret, and say so if others can read it. */
static enum vv_rc
open_file(const char *path, const char *what, struct messages *m, int *ret, struct vv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot open %s '%s'", what, path);
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0) {
        messages_warning(m, "secret-readable",
                         "%s '%s' is open to others (mode %04o); 'chmod 400' it", what, path,
                         (unsigned)(st.st_mode & 07777));
    }
    *ret = fd;
    return VV_OK;
}

static enum vv_rc
read_file(const char *path, const char *what, enum key_slot_type type, struct messages *m,
          struct secret_value *ret, struct vv_error *err)
{
    int fd = -1;
    enum vv_rc rc;

    VV_TRY(open_file(path, what, m, &fd, err));
    rc = secret_begin(type, SECRET_MAX, ret, err);
    if (rc == VV_OK) {
        rc = read_all(fd, path, ret, err);
    }
    vv_fd_close(fd);
    return rc;
}

enum vv_rc
secret_take_line(struct secret_value *v, const char *from, struct vv_error *err)
{
    uint8_t *data = secret_data(v->bytes);
    uint8_t *end = v->len > 0 ? memchr(data, '\n', v->len) : NULL;

    if (end != NULL && end + 1 != data + v->len) {
        return vv_error_set(err, VV_EKEY, "%s gives more than one line", from);
    }
    if (end != NULL) {
        v->len--;
    }
    if (v->len > 0 && data[v->len - 1] == '\r') {
        v->len--;
    }
    if (v->len == 0) {
        return vv_error_set(err, VV_EKEY, "%s gives an empty passphrase", from);
    }
    if (memchr(data, '\0', v->len) != NULL) {
        return vv_error_set(err, VV_EKEY, "%s gives a passphrase with a NUL byte", from);
    }
    return VV_OK;
}

static enum vv_rc
from_key_file(const char *path, struct messages *m, struct secret_value *ret, struct vv_error *err)
{
    struct key_file file;
    enum vv_rc rc;

    VV_TRY(read_file(path, "key file", KEY_SLOT_KEY_FILE, m, ret, err));
    rc = key_file_decode(vv_span(secret_data(ret->bytes), ret->len), &file, err);
    if (rc != VV_OK) {
        /* A file that is no key file is a wrong key, not damage of the repository. */
        (void)vv_error_prefix(err, "'%s'", path);
        if (err != NULL) {
            err->rc = VV_EKEY;
        }
        return VV_EKEY;
    }
    memcpy(secret_data(ret->bytes), file.secret, sizeof(file.secret));
    ret->len = sizeof(file.secret);
    ret->repository = file.repository;
    ret->file = path;
    crypto_wipe(&file, sizeof(file));
    return VV_OK;
}

/** Words (lines with '#' are comments) become the 32 bytes. */
static enum vv_rc
decode_words(struct secret_value *v, struct vv_error *err)
{
    uint8_t *data = secret_data(v->bytes);
    uint8_t bytes[32];
    enum vv_rc rc;
    bool comment = false;
    bool line_start = true;

    for (size_t i = 0; i < v->len; i++) {
        comment = (comment && !line_start) || (line_start && data[i] == '#');
        line_start = data[i] == '\n';
        if (comment) {
            data[i] = ' ';
        }
    }
    rc = recovery_words_decode(vv_span(data, v->len), bytes, err);
    if (rc == VV_OK) {
        memcpy(data, bytes, sizeof(bytes));
        v->len = sizeof(bytes);
        v->type = KEY_SLOT_RECOVERY;
    }
    crypto_wipe(bytes, sizeof(bytes));
    return rc;
}

static enum vv_rc
from_recovery_file(const char *path, struct messages *m, struct secret_value *ret,
                   struct vv_error *err)
{
    enum vv_rc rc;

    VV_TRY(read_file(path, "recovery file", KEY_SLOT_RECOVERY, m, ret, err));
    rc = decode_words(ret, err);
    return rc == VV_OK ? rc : vv_error_prefix(err, "'%s'", path);
}

static enum vv_rc
from_passphrase_file(const char *path, struct messages *m, struct secret_value *ret,
                     struct vv_error *err)
{
    struct vv_buf from = {0};
    enum vv_rc rc;

    VV_TRY(read_file(path, "passphrase file", KEY_SLOT_PASSPHRASE, m, ret, err));
    vv_buf_printf(&from, "passphrase file '%s'", path);
    rc = secret_take_line(ret, vv_buf_text(&from), err);
    vv_buf_release(&from);
    return rc;
}

/** Wait for the passphrase command's end. */
static enum vv_rc
reap(pid_t child, struct vv_error *err)
{
    int status = 0;
    enum vv_rc rc;

    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return vv_error_sys(err, errno, "cannot wait for the passphrase command");
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return VV_OK;
    }
    rc = WIFEXITED(status)
             ? vv_error_set(err, VV_EKEY, "the passphrase command failed (exit %d)",
                            WEXITSTATUS(status))
             : vv_error_set(err, VV_EKEY, "the passphrase command was killed (signal %d)",
                            WTERMSIG(status));
    return rc;
}

static enum vv_rc
from_command(const char *command, struct secret_value *ret, struct vv_error *err)
{
    char shell[] = "sh";
    char dash_c[] = "-c";
    char *text = strdup(command);
    char *const argv[] = {shell, dash_c, text, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t child;
    int sys;
    enum vv_rc rc;

    if (text == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        free(text);
        return vv_error_set(err, VV_EIO, "cannot run the passphrase command");
    }
    sys = posix_spawn_file_actions_init(&actions);
    if (sys == 0) {
        (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        sys = posix_spawn(&child, "/bin/sh", &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    vv_fd_close(ends[1]);
    free(text);
    if (sys != 0) {
        vv_fd_close(ends[0]);
        return vv_error_sys(err, sys, "cannot run the passphrase command");
    }
    rc = secret_begin(KEY_SLOT_PASSPHRASE, SECRET_MAX, ret, err);
    if (rc == VV_OK) {
        rc = read_all(ends[0], "output of the passphrase command", ret, err);
    }
    vv_fd_close(ends[0]);
    VV_TRY(rc); /* interrupted, or endless output: the command ends by its closed pipe */
    VV_TRY(reap(child, err));
    return secret_take_line(ret, "the passphrase command", err);
}

/** Take a passphrase from the environment and leave none there. */
static enum vv_rc
from_environment(const char *name, struct secret_value *ret, struct vv_error *err)
{
    char *value = getenv(name);
    size_t len = value != NULL ? strlen(value) : 0;
    enum vv_rc rc = secret_begin(KEY_SLOT_PASSPHRASE, len + 1, ret, err);

    if (value == NULL) {
        return vv_error_set(err, VV_EKEY, "%s is not set any more", name);
    }
    if (rc == VV_OK) {
        memcpy(secret_data(ret->bytes), value, len);
        ret->len = len;
        rc = secret_take_line(ret, name, err);
    }
    crypto_wipe(value, len);
    (void)unsetenv(name);
    return rc;
}

enum vv_rc
secret_ask_line(const char *text, struct secret_value *ret, struct vv_error *err)
{
    VV_TRY(secret_begin(KEY_SLOT_PASSPHRASE, SECRET_MAX, ret, err));
    VV_TRY(prompt_secret(text, (char *)secret_data(ret->bytes), SECRET_MAX - 1, &ret->len, err));
    ret->prompted = true;
    return VV_OK;
}

static enum vv_rc
from_prompt(const char *what, struct secret_value *ret, struct vv_error *err)
{
    struct vv_buf text = {0};
    enum vv_rc rc;

    vv_buf_printf(&text, "passphrase or recovery words for %s: ", what);
    rc = secret_ask_line(vv_buf_text(&text), ret, err);
    vv_buf_release(&text);
    VV_TRY(rc);
    if (recovery_words_like(vv_span(secret_data(ret->bytes), ret->len))) {
        return decode_words(ret, err);
    }
    return secret_take_line(ret, "the prompt", err);
}

/** The value of an environment variable; NULL if it is empty, or not to be used. */
static const char *
environment(const struct secret_ways *w, const char *name)
{
    const char *value = w->use_environment ? getenv(name) : NULL;

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/** The value of ${variable}${suffix}. */
static const char *
environment_of(const struct secret_ways *w, const char *variable, const char *suffix)
{
    char name[64];
    int n = snprintf(name, sizeof(name), "%s%s", variable, suffix);

    return n > 0 && (size_t)n < sizeof(name) ? environment(w, name) : NULL;
}

enum vv_rc
secret_passphrase_option(const struct secret_ways *w, struct messages *m, struct secret_value *ret,
                         bool *ret_found, struct vv_error *err)
{
    *ret_found = true;
    if (w->passphrase_file != NULL) {
        return from_passphrase_file(w->passphrase_file, m, ret, err);
    }
    if (w->passphrase_command != NULL) {
        return from_command(w->passphrase_command, ret, err);
    }
    *ret_found = false;
    return VV_OK;
}

enum vv_rc
secret_passphrase_environment(const struct secret_ways *w, struct messages *m,
                              struct secret_value *ret, bool *ret_found, struct vv_error *err)
{
    const char *variable = w->variable != NULL ? w->variable : "VARVE_PASSPHRASE";
    const char *file = environment_of(w, variable, "_FILE");
    const char *command = environment_of(w, variable, "_COMMAND");

    *ret_found = true;
    if (file != NULL) {
        return from_passphrase_file(file, m, ret, err);
    }
    if (environment(w, variable) != NULL) {
        return from_environment(variable, ret, err);
    }
    if (command != NULL) {
        return from_command(command, ret, err);
    }
    *ret_found = false;
    return VV_OK;
}

static enum vv_rc
get(const struct secret_ways *w, const char *what, struct messages *m, struct secret_value *ret,
    struct vv_error *err)
{
    const char *key_file = environment(w, "VARVE_KEY_FILE");
    bool found;
    enum vv_rc rc;

    if (w->key_file != NULL) {
        return from_key_file(w->key_file, m, ret, err);
    }
    rc = secret_passphrase_option(w, m, ret, &found, err);
    if (found) {
        return rc;
    }
    if (w->recovery_file != NULL) {
        return from_recovery_file(w->recovery_file, m, ret, err);
    }
    if (key_file != NULL) {
        return from_key_file(key_file, m, ret, err);
    }
    rc = secret_passphrase_environment(w, m, ret, &found, err);
    if (found) {
        return rc;
    }
    if (!secret_terminal()) {
        rc = vv_error_set(err, VV_EKEY,
                          "no key was given for %s, and there is no terminal to ask on", what);
        vv_error_hint(err, "%s", WAYS);
        return rc;
    }
    return from_prompt(what, ret, err);
}

enum vv_rc
secret_get(const struct secret_ways *w, const char *what, struct messages *m,
           struct secret_value *ret, struct vv_error *err)
{
    struct secret_value v = {0};
    enum vv_rc rc = get(w, what, m, &v, err);

    if (rc != VV_OK) {
        ret->prompted = v.prompted;
        secret_value_release(&v);
        return rc;
    }
    *ret = v;
    return VV_OK;
}

bool
secret_given(const struct secret_ways *w)
{
    static const char *const names[] = {"VARVE_KEY_FILE", "VARVE_PASSPHRASE_FILE",
                                        "VARVE_PASSPHRASE", "VARVE_PASSPHRASE_COMMAND"};
    bool given = w->key_file != NULL || w->passphrase_file != NULL ||
                 w->passphrase_command != NULL || w->recovery_file != NULL;

    for (size_t i = 0; i < VV_COUNT(names) && !given; i++) {
        given = environment(w, names[i]) != NULL;
    }
    return given;
}
