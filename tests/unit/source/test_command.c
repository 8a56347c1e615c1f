/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands' output and standard input as sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "source/helper_sequence.h"
#include "source/helper_tree.h"

static struct source *
open_command(const char *command, bool allow_empty, struct vv_cancel *cancel)
{
    const struct source_command_options o = {
        .name = "db/shop.sql", .command = command, .allow_empty = allow_empty, .cancel = cancel};
    struct source *s = NULL;
    struct vv_error err = {0};
    assert_int_equal(source_command_new(&o, &s, &err), VV_OK);
    return s;
}

static enum vv_rc
run(const char *command, struct sequence *q)
{
    return sequence_read(open_command(command, false, NULL), q);
}

/* The command must fail as said, with ${hint} in what it says about it. */
static void
assert_fails(const char *command, enum vv_rc rc, const char *message, const char *hint)
{
    struct sequence q;
    assert_int_equal(run(command, &q), rc);
    assert_string_equal(q.error.message, message);
    assert_int_equal(q.error.origin, VV_ORIGIN_SOURCE);
    if (hint != NULL && strstr(q.error.hint, hint) == NULL) {
        fail_msg("hint is '%s'", q.error.hint);
    }
    sequence_release(&q);
}

static void
command__output_becomes_one_file(void **state)
{
    (void)state;
    struct sequence q;
    struct timespec before;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &before), 0);
    assert_int_equal(run("printf 'line 1\\n'; printf 'line 2\\n' | cat", &q), VV_OK);
    assert_int_equal(q.count, 1);
    const struct taken *t = sequence_find(&q, "db/shop.sql");
    assert_non_null(t);
    assert_int_equal(t->len, 14);
    assert_memory_equal(t->content, "line 1\nline 2\n", 14);
    assert_int_equal(t->entry.type, ENTRY_FILE);
    assert_int_equal(t->entry.mode, 0600);
    assert_int_equal(t->entry.size, 14);
    assert_int_equal(t->entry.nlink, 1);
    assert_int_equal(t->entry.flags, ENTRY_STREAM);
    assert_int_equal(t->entry.uid, geteuid());
    assert_int_equal(t->entry.gid, getegid());
    const struct passwd *user = getpwuid(geteuid());
    if (user != NULL) {
        assert_int_equal(t->entry.user.len, strlen(user->pw_name));
        assert_memory_equal(t->entry.user.data, user->pw_name, t->entry.user.len);
    }
    assert_true(t->entry.mtime.sec >= before.tv_sec);
    assert_int_equal(t->entry.ctime.sec, t->entry.mtime.sec);
    sequence_release(&q);
}

static void
command__failure_anywhere_in_its_pipe_counts(void **state)
{
    (void)state;
    assert_fails("false | cat", VV_EIO, "command for 'db/shop.sql' failed: exit status 1", NULL);
    assert_fails("echo data; (exit 3) | cat | cat", VV_EIO,
                 "command for 'db/shop.sql' failed: exit status 3", NULL);
    assert_fails("echo data; exit 3", VV_EIO, "command for 'db/shop.sql' failed: exit status 3",
                 NULL);
    assert_fails("no-such-command-here | gzip", VV_EIO,
                 "command for 'db/shop.sql' failed: exit status 127", "no-such-command-here");
}

static void
command__death_by_signal_counts(void **state)
{
    (void)state;
    assert_fails("echo data; kill -KILL $$", VV_EIO,
                 "command for 'db/shop.sql' failed: killed by signal 9 (SIGKILL)", NULL);
    assert_fails("(echo data; kill -TERM $BASHPID) | cat", VV_EIO,
                 "command for 'db/shop.sql' failed: exit status 143", NULL);
}

static void
command__shows_the_end_of_its_errors(void **state)
{
    (void)state;
    assert_fails("echo 'cannot connect' >&2; echo 'giving up' >&2; exit 2", VV_EIO,
                 "command for 'db/shop.sql' failed: exit status 2", "cannot connect\ngiving up");
    /* Several MiB of them, before and after the output is closed, do not block it. */
    struct sequence q;
    assert_int_equal(run("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo out; exec >&-; "
                         "seq 200000 >&2; exit 9",
                         &q),
                     VV_EIO);
    assert_string_equal(q.error.message, "command for 'db/shop.sql' failed: exit status 9");
    size_t len = strlen(q.error.hint);
    assert_true(len > 100);
    assert_string_equal(q.error.hint + len - 6, "200000");
    assert_true(q.error.hint[0] >= '0' && q.error.hint[0] <= '9'); /* a whole line */
    sequence_release(&q);
}

static void
command__empty_output_is_refused_unless_allowed(void **state)
{
    (void)state;
    struct sequence q;
    assert_fails("true", VV_EREFUSED, "command for 'db/shop.sql' ended without any output",
                 "--allow-empty");
    assert_fails("echo 'no tables' >&2", VV_EREFUSED,
                 "command for 'db/shop.sql' ended without any output", "no tables");
    assert_int_equal(sequence_read(open_command("true", true, NULL), &q), VV_OK);
    assert_int_equal(q.count, 1);
    assert_int_equal(q.items[0].entry.size, 0);
    sequence_release(&q);
    assert_int_equal(sequence_read(open_command("false", true, NULL), &q), VV_EIO);
    sequence_release(&q);
}

static void
command__large_output_comes_whole(void **state)
{
    (void)state;
    struct sequence q;
    assert_int_equal(run("seq 1000000", &q), VV_OK);
    assert_int_equal(q.items[0].len, 6888896);
    assert_int_equal(q.items[0].entry.size, 6888896);
    assert_memory_equal(q.items[0].content + 6888896 - 15, "999999\n1000000\n", 15);
    size_t at = 0;
    for (unsigned i = 1; i <= 1000000; i++) {
        char line[16];
        int len = snprintf(line, sizeof(line), "%u\n", i);
        if (memcmp(q.items[0].content + at, line, (size_t)len) != 0) {
            fail_msg("line %u is wrong", i);
        }
        at += (size_t)len;
    }
    sequence_release(&q);
}

static void
command__has_nothing_of_ours_but_the_environment(void **state)
{
    (void)state;
    struct sequence q;
    int null = open("/dev/null", O_RDONLY);
    assert_true(null >= 0);
    /* Without close-on-exec, and with numbers that the shell does not use for itself. */
    int fd = fcntl(null, F_DUPFD, 60);
    assert_true(fd >= 60);
    close(null);
    int high = fcntl(fd, F_DUPFD, 100);
    assert_true(high >= 100);
    assert_int_equal(setenv("VARVE_TEST_VALUE", "from outside", 1), 0);
    /* The descriptors of the shell itself, by name: no process is started to list them. */
    assert_int_equal(run("readlink /proc/$$/fd/0; for i in /proc/$$/fd/*; do echo ${i##*/}; done "
                         "| sort -n | tr '\\n' ' '; echo; echo $VARVE_TEST_VALUE; echo $-; "
                         "read -r _ _ _ _ group _ </proc/$$/stat; echo $group; echo $$",
                         &q),
                     VV_OK);
    char *text = (char *)q.items[0].content;
    text[q.items[0].len - 1] = '\0';
    char *saved = NULL;
    assert_string_equal(strtok_r(text, "\n", &saved), "/dev/null");
    char *fds = strtok_r(NULL, "\n", &saved);
    assert_true(strncmp(fds, "0 1 2 ", 6) == 0);
    char unwanted[16];
    (void)snprintf(unwanted, sizeof(unwanted), " %d ", high);
    assert_null(strstr(fds, unwanted));
    (void)snprintf(unwanted, sizeof(unwanted), " %d ", fd);
    assert_null(strstr(fds, unwanted));
    assert_string_equal(strtok_r(NULL, "\n", &saved), "from outside");
    assert_null(strchr(strtok_r(NULL, "\n", &saved), 'i'));
    const char *group = strtok_r(NULL, "\n", &saved);
    assert_string_equal(group, strtok_r(NULL, "\n", &saved));
    close(fd);
    close(high);
    sequence_release(&q);
}

static void
command__background_process_does_not_hold_us_up(void **state)
{
    (void)state;
    struct sequence q;
    /* It keeps standard error open; its number tells whom to end. */
    assert_int_equal(run("sleep 60 >/dev/null & echo $!", &q), VV_OK);
    q.items[0].content[q.items[0].len - 1] = '\0';
    pid_t left = (pid_t)strtol((const char *)q.items[0].content, NULL, 10);
    assert_true(left > 1);
    assert_int_equal(kill(left, SIGKILL), 0);
    sequence_release(&q);
}

static uint64_t
now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#define GONE_MS 20000 /* far beyond what it takes, on a machine that is busy with other things */

static bool
exists(pid_t pid)
{
    char path[64];
    char text[256] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return false;
    }
    (void)!fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    const char *state = strrchr(text, ')');
    return state != NULL && state[2] != 'Z' && state[2] != 'X';
}

/* Start the command, read the numbers it prints (one read), ask to stop, free: all must be gone. */
static void
assert_stops(const char *command, unsigned processes)
{
    struct vv_cancel cancel = {false};
    struct source *s = open_command(command, false, &cancel);
    struct source_item item = {0};
    struct source_file *f = NULL;
    struct source_problem problem = {0};
    struct vv_arena arena = {0};
    struct vv_error err = {0};
    bool end = false;
    char line[64] = "";
    size_t at = 0;
    assert_int_equal(source_next(s, &item, &end, &err), VV_OK);
    assert_int_equal(source_open(s, &item, &arena, &f, &problem), SOURCE_OK);
    pid_t pids[4] = {0};
    for (unsigned i = 0; i < processes;) {
        size_t got = 0;
        assert_int_equal(source_read(f, at, (uint8_t *)line + (at % 32), 1, &got, &problem),
                         SOURCE_OK);
        assert_int_equal(got, 1);
        if (line[at % 32] == ' ') {
            pids[i++] = (pid_t)strtol(line, NULL, 10);
            memset(line, 0, sizeof(line));
            at++;
            while (at % 32 != 0) { /* padded to 32 by the command */
                uint8_t byte;
                assert_int_equal(source_read(f, at, &byte, 1, &got, &problem), SOURCE_OK);
                at++;
            }
        } else {
            at++;
        }
    }
    uint64_t start = now_ms();
    atomic_store(&cancel.wanted, true);
    uint8_t byte;
    size_t got = 0;
    assert_int_equal(source_read(f, at, &byte, 1, &got, &problem), SOURCE_UNREADABLE);
    (void)source_close(f, &item.entry, &problem);
    assert_int_equal(source_end(s, &err), VV_ECANCELLED);
    source_item_release(s, &item);
    source_free(s);
    for (unsigned i = 0; i < processes; i++) {
        assert_true(pids[i] > 1);
        /* Killed, but not our child: the kernel may take a moment to end it. */
        while (exists(pids[i]) && now_ms() - start < GONE_MS) {
            (void)sched_yield();
        }
        assert_false(exists(pids[i]));
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a dead one */
    assert_int_equal(errno, ECHILD);
    vv_arena_release(&arena);
}

static void
command__stops_with_everything_it_started(void **state)
{
    (void)state;
    assert_stops("printf '%-32s' $$; exec sleep 100", 1);
    /* A pipe, a part of which does not heed the request. */
    assert_stops("(trap '' TERM; printf '%-32s' $BASHPID; while :; do sleep 1; done) | "
                 "(sleep 100 & printf '%-32s' $!; cat)",
                 2);
}

static void
command__unread_output_is_no_success(void **state)
{
    (void)state;
    struct source *s = open_command("yes", false, NULL);
    struct source_item item = {0};
    struct vv_error err = {0};
    bool end = false;
    assert_int_equal(source_next(s, &item, &end, &err), VV_OK);
    source_item_release(s, &item);
    assert_int_equal(source_next(s, &item, &end, &err), VV_OK);
    assert_true(end);
    assert_int_equal(source_end(s, &err), VV_EIO);
    source_free(s);
}

static void
command__name_must_be_a_path_in_the_snapshot(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/etc/passwd", "a/../b", "..", ".", "a//b", "a/", "./a"};
    for (size_t i = 0; i < VV_COUNT(bad); i++) {
        const struct source_command_options o = {.name = bad[i], .command = "true"};
        struct source *s = NULL;
        struct vv_error err = {0};
        assert_int_equal(source_command_new(&o, &s, &err), VV_EUSAGE);
        assert_null(s);
    }
}

static void
command__says_nothing_of_its_command_line(void **state)
{
    (void)state;
    struct sequence q;
    assert_int_equal(run("PASSWORD=s3cret false", &q), VV_EIO);
    assert_null(strstr(q.error.message, "s3cret"));
    assert_null(strstr(q.error.hint, "s3cret"));
    sequence_release(&q);
}

static void
command__ignored_children_are_waited_for_all_the_same(void **state)
{
    (void)state;
    struct sequence q;
    assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    assert_int_equal(run("echo x; exit 4", &q), VV_EIO);
    assert_string_equal(q.error.message, "command for 'db/shop.sql' failed: exit status 4");
    assert_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
    sequence_release(&q);
}

/* Standard input is ${text} while it is read. */
static enum vv_rc
read_stdin(const char *text, bool allow_empty, struct sequence *q)
{
    int ends[2];
    int saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    close(ends[1]);
    assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
    close(ends[0]);
    const struct source_command_options o = {.name = "in", .allow_empty = allow_empty};
    struct source *s = NULL;
    struct vv_error err = {0};
    assert_int_equal(source_command_new(&o, &s, &err), VV_OK);
    enum vv_rc rc = sequence_read(s, q);
    if (saved >= 0) {
        assert_true(dup2(saved, STDIN_FILENO) >= 0);
        close(saved);
    }
    return rc;
}

static void
command__standard_input_likewise(void **state)
{
    (void)state;
    struct sequence q;
    assert_int_equal(read_stdin("from a pipe", false, &q), VV_OK);
    const struct taken *t = sequence_find(&q, "in");
    assert_non_null(t);
    assert_int_equal(t->entry.size, 11);
    assert_memory_equal(t->content, "from a pipe", 11);
    assert_int_equal(t->entry.flags, ENTRY_STREAM);
    sequence_release(&q);
    assert_int_equal(read_stdin("", false, &q), VV_EREFUSED);
    assert_string_equal(q.error.message, "standard input for 'in' is empty");
    sequence_release(&q);
    assert_int_equal(read_stdin("", true, &q), VV_OK);
    sequence_release(&q);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command__output_becomes_one_file),
        cmocka_unit_test(command__failure_anywhere_in_its_pipe_counts),
        cmocka_unit_test(command__death_by_signal_counts),
        cmocka_unit_test(command__shows_the_end_of_its_errors),
        cmocka_unit_test(command__empty_output_is_refused_unless_allowed),
        cmocka_unit_test(command__large_output_comes_whole),
        cmocka_unit_test(command__has_nothing_of_ours_but_the_environment),
        cmocka_unit_test(command__background_process_does_not_hold_us_up),
        cmocka_unit_test(command__stops_with_everything_it_started),
        cmocka_unit_test(command__unread_output_is_no_success),
        cmocka_unit_test(command__name_must_be_a_path_in_the_snapshot),
        cmocka_unit_test(command__says_nothing_of_its_command_line),
        cmocka_unit_test(command__ignored_children_are_waited_for_all_the_same),
        cmocka_unit_test(command__standard_input_likewise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
