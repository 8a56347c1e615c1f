/* SPDX-License-Identifier: BSD-2-Clause */
/* Where secrets come from, and the files they go to; directories of state and cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/passphrase.h"
#include "directories.h"
#include "secret_input.h"

static char directory[64];
static struct messages messages;

static const char *
in_directory(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *out = path[next++ % 4];

    (void)snprintf(out, sizeof(path[0]), "%s/%s", directory, name);
    return out;
}

static const char *
write_file(const char *name, const void *data, size_t len, mode_t mode)
{
    const char *path = in_directory(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    (void)close(fd);
    return path;
}

static const char *
write_text(const char *name, const char *text)
{
    return write_file(name, text, strlen(text), 0600);
}

static enum vv_rc
get(const struct secret_ways *w, struct secret_value *v, struct vv_error *err)
{
    memset(v, 0, sizeof(*v));
    vv_error_clear(err);
    return secret_get(w, "'repository'", &messages, v, err);
}

static void
expect_passphrase(const struct secret_ways *w, const char *expected)
{
    struct secret_value v;
    struct vv_error err = {0};

    assert_int_equal(get(w, &v, &err), VV_OK);
    assert_int_equal(v.type, KEY_SLOT_PASSPHRASE);
    assert_int_equal(v.len, strlen(expected));
    assert_memory_equal(secret_data(v.bytes), expected, v.len);
    secret_value_release(&v);
}

static void
expect_failure(const struct secret_ways *w, enum vv_rc rc, const char *message)
{
    struct secret_value v;
    struct vv_error err = {0};

    assert_int_equal(get(w, &v, &err), rc);
    assert_int_equal(err.rc, rc);
    assert_non_null(strstr(err.message, message));
    assert_null(v.bytes);
}

static void
clear_environment(void)
{
    (void)unsetenv("VARVE_KEY_FILE");
    (void)unsetenv("VARVE_PASSPHRASE_FILE");
    (void)unsetenv("VARVE_PASSPHRASE");
    (void)unsetenv("VARVE_PASSPHRASE_COMMAND");
}

static void
secret_input__passphrase_file_is_one_line(void **state)
{
    struct secret_ways w = {0};

    (void)state;
    w.passphrase_file = write_text("p", "a b\n");
    expect_passphrase(&w, "a b");
    w.passphrase_file = write_text("p", "no end");
    expect_passphrase(&w, "no end");
    w.passphrase_file = write_text("p", "dos\r\n");
    expect_passphrase(&w, "dos");
    w.passphrase_file = write_text("p", "one\ntwo\n");
    expect_failure(&w, VV_EKEY, "more than one line");
    w.passphrase_file = write_text("p", "\n");
    expect_failure(&w, VV_EKEY, "empty passphrase");
    w.passphrase_file = write_text("p", "");
    expect_failure(&w, VV_EKEY, "empty passphrase");
    w.passphrase_file = write_file("p", "a\0b", 3, 0600);
    expect_failure(&w, VV_EKEY, "NUL");
    w.passphrase_file = in_directory("missing");
    expect_failure(&w, VV_ENOTFOUND, "cannot open passphrase file");
}

static void
secret_input__refuses_endless_files(void **state)
{
    struct secret_ways w = {.passphrase_file = "/dev/zero"};

    (void)state;
    expect_failure(&w, VV_ELIMIT, "more than 4095 bytes");
    w = (struct secret_ways){.passphrase_command = "cat /dev/zero"};
    expect_failure(&w, VV_ELIMIT, "more than 4095 bytes");
}

static void
secret_input__runs_the_passphrase_command(void **state)
{
    struct secret_ways w = {0};

    (void)state;
    w.passphrase_command = "echo hello; cat";
    expect_passphrase(&w, "hello"); /* its standard input is empty */
    w.passphrase_command = "echo hello; exit 3";
    expect_failure(&w, VV_EKEY, "failed (exit 3)");
    w.passphrase_command = "kill -TERM $$";
    expect_failure(&w, VV_EKEY, "killed (signal 15)");
}

static void
secret_input__what_is_typed_counts_more_than_the_environment(void **state)
{
    struct secret_ways w = {.use_environment = true};

    (void)state;
    clear_environment();
    (void)setenv("VARVE_PASSPHRASE_COMMAND", "echo command", 1);
    expect_passphrase(&w, "command");
    (void)setenv("VARVE_PASSPHRASE", "environment", 1);
    expect_passphrase(&w, "environment");
    (void)setenv("VARVE_PASSPHRASE", "environment", 1);
    (void)setenv("VARVE_PASSPHRASE_FILE", write_text("e", "file"), 1);
    expect_passphrase(&w, "file");
    w.passphrase_command = "echo option";
    expect_passphrase(&w, "option");
    w.passphrase_file = write_text("o", "option file");
    expect_passphrase(&w, "option file");
    w = (struct secret_ways){.use_environment = true};
    (void)setenv("VARVE_KEY_FILE", in_directory("missing"), 1);
    expect_failure(&w, VV_ENOTFOUND, "cannot open key file");
    clear_environment();
}

static void
secret_input__wipes_the_environment(void **state)
{
    struct secret_ways w = {.use_environment = true};
    char *memory;

    (void)state;
    clear_environment();
    (void)setenv("VARVE_PASSPHRASE", "wipe me", 1);
    memory = getenv("VARVE_PASSPHRASE");
    expect_passphrase(&w, "wipe me");
    assert_null(getenv("VARVE_PASSPHRASE"));
    assert_memory_equal(memory, "\0\0\0\0\0\0\0", 7);
}

static void
secret_input__never_asks_without_a_terminal(void **state)
{
    struct secret_ways w = {.use_environment = true};
    struct secret_value v;
    struct vv_error err = {0};

    (void)state;
    clear_environment();
    assert_int_equal(get(&w, &v, &err), VV_EKEY);
    assert_non_null(strstr(err.message, "no terminal"));
    assert_non_null(strstr(err.hint, "--key-file"));
    assert_non_null(strstr(err.hint, "VARVE_PASSPHRASE_COMMAND"));
    assert_int_equal(secret_new_passphrase(&w, "x", &messages, &v, &err), VV_EKEY);
}

static void
secret_input__key_file_round_trip(void **state)
{
    static const struct vv_uuid repository = {.b = {1, 2, 3}};
    const char *path = in_directory("key");
    struct secret_ways w = {.key_file = path};
    struct secret_value made = {0};
    struct secret_value v;
    struct vv_error err = {0};
    struct stat st;

    (void)state;
    assert_int_equal(secret_new_random(KEY_SLOT_KEY_FILE, &made, &err), VV_OK);
    assert_int_equal(secret_write_key_file(path, &made, &repository, SECRET_CREATE, &err), VV_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(get(&w, &v, &err), VV_OK);
    assert_int_equal(v.type, KEY_SLOT_KEY_FILE);
    assert_int_equal(v.len, 32);
    assert_memory_equal(secret_data(v.bytes), secret_data(made.bytes), 32);
    assert_memory_equal(v.repository.b, repository.b, 16);
    secret_value_release(&v);
    /* An existing file is never overwritten. */
    assert_int_equal(secret_write_key_file(path, &made, &repository, SECRET_CREATE, &err),
                     VV_EEXISTS);
    assert_int_equal(messages.warnings, 0);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(get(&w, &v, &err), VV_OK);
    assert_int_equal(messages.warnings, 1);
    messages.warnings = 0;
    secret_value_release(&v);
    secret_value_release(&made);
}

static void
secret_input__a_file_that_is_no_key_file_is_a_wrong_key(void **state)
{
    struct secret_ways w = {.key_file = write_text("nokey", "hello\n")};

    (void)state;
    expect_failure(&w, VV_EKEY, "nokey");
}

static void
secret_input__recovery_file_round_trip(void **state)
{
    static const struct vv_uuid repository = {.b = {9}};
    const char *path = in_directory("words");
    struct secret_ways w = {.recovery_file = path};
    struct secret_value made = {0};
    struct secret_value v;
    struct vv_buf text = {0};
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(secret_new_random(KEY_SLOT_RECOVERY, &made, &err), VV_OK);
    assert_int_equal(secret_write_recovery_file(path, &made, &repository, SECRET_CREATE, &err),
                     VV_OK);
    assert_int_equal(get(&w, &v, &err), VV_OK);
    assert_int_equal(v.type, KEY_SLOT_RECOVERY);
    assert_memory_equal(secret_data(v.bytes), secret_data(made.bytes), 32);
    secret_value_release(&v);

    /* As typed from paper: numbered, over several lines, in capitals. */
    secret_words_text(&made, "  ", &text);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 'a' && text.data[i] <= 'z') {
            text.data[i] = (uint8_t)(text.data[i] - 'a' + 'A');
        }
    }
    w.recovery_file = write_text("paper", vv_buf_text(&text));
    assert_int_equal(get(&w, &v, &err), VV_OK);
    assert_memory_equal(secret_data(v.bytes), secret_data(made.bytes), 32);
    secret_value_release(&v);
    secret_buf_wipe(&text);
    secret_value_release(&made);

    w.recovery_file = write_text("wrong", "# comment\nabc def\n");
    expect_failure(&w, VV_EKEY, "wrong");
}

static void
secret_input__a_new_passphrase_must_not_look_like_recovery_words(void **state)
{
    uint8_t bytes[32] = {7};
    char words[RECOVERY_TEXT_MAX];
    struct secret_ways w = {0};
    struct secret_value v = {0};
    struct vv_error err = {0};

    (void)state;
    recovery_words_encode(bytes, words);
    w.passphrase_file = write_text("like", words);
    assert_int_equal(secret_new_passphrase(&w, "x", &messages, &v, &err), VV_EKEY);
    assert_non_null(strstr(err.message, "must not look like recovery words"));
    assert_null(v.bytes);
}

static void
directories__obey_the_environment(void **state)
{
    struct vv_buf path = {0};
    struct vv_error err = {0};

    (void)state;
    (void)setenv("VARVE_STATE_DIR", "/given", 1);
    assert_int_equal(directories_find(DIRECTORY_STATE, &path, &err), VV_OK);
    assert_string_equal(vv_buf_text(&path), "/given");
    (void)unsetenv("VARVE_STATE_DIR");
    (void)setenv("HOME", "/some/home", 1);
    (void)setenv("XDG_STATE_HOME", "relative", 1); /* to be ignored, says the standard */
    assert_int_equal(directories_find(DIRECTORY_STATE, &path, &err), VV_OK);
    assert_string_equal(vv_buf_text(&path),
                        geteuid() == 0 ? "/var/lib/varve" : "/some/home/.local/state/varve");
    (void)setenv("XDG_CACHE_HOME", "/xdg", 1);
    assert_int_equal(directories_find(DIRECTORY_CACHE, &path, &err), VV_OK);
    assert_string_equal(vv_buf_text(&path), geteuid() == 0 ? "/var/cache/varve" : "/xdg/varve");
    (void)unsetenv("XDG_CACHE_HOME");
    (void)unsetenv("HOME");
    assert_int_equal(directories_find(DIRECTORY_CACHE, &path, &err), VV_OK);
    assert_int_equal(path.data[0], '/');
    vv_buf_release(&path);
}

static int
set_up(void **state)
{
    struct vv_error err = {0};

    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/varve-secret.XXXXXX");
    messages_init(&messages);
    (void)setsid(); /* no controlling terminal, so that nobody is asked */
    return mkdtemp(directory) == NULL || crypto_init(&err) != VV_OK;
}

static int
tear_down(void **state)
{
    static const char *const names[] = {"p",     "e",     "o",     "key", "nokey",
                                        "words", "paper", "wrong", "like"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)unlink(in_directory(names[i]));
    }
    messages_release(&messages);
    return rmdir(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_input__passphrase_file_is_one_line),
        cmocka_unit_test(secret_input__refuses_endless_files),
        cmocka_unit_test(secret_input__runs_the_passphrase_command),
        cmocka_unit_test(secret_input__what_is_typed_counts_more_than_the_environment),
        cmocka_unit_test(secret_input__wipes_the_environment),
        cmocka_unit_test(secret_input__never_asks_without_a_terminal),
        cmocka_unit_test(secret_input__key_file_round_trip),
        cmocka_unit_test(secret_input__a_file_that_is_no_key_file_is_a_wrong_key),
        cmocka_unit_test(secret_input__recovery_file_round_trip),
        cmocka_unit_test(secret_input__a_new_passphrase_must_not_look_like_recovery_words),
        cmocka_unit_test(directories__obey_the_environment),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
