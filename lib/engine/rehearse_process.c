/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting and ending PostgreSQL's programs. */
#include "engine/rehearse_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/child.h"
#include "core/file.h"

#define GRACE_MS 10000u
#define LOG_LIMIT (64u << 20)

extern char **environ;

/* ---- what the child has ---- */

struct environment {
    char **items;
    struct vv_buf own[4];
};

static void
environment_release(struct environment *e)
{
    vv_free(e->items);
    for (size_t i = 0; i < VV_COUNT(e->own); i++) {
        vv_buf_release(&e->own[i]);
    }
}

/** What would lead libpq, or messages that are read here, astray; and, of another user, what is ours. */
static bool
is_left_out(const char *variable, bool other_user)
{
    static const char *const always[] = {"PG", "LC_", "LANG=", "LANGUAGE="};
    static const char *const others[] = {"VARVE_", "HOME=", "XDG_"};

    for (size_t i = 0; i < VV_COUNT(always); i++) {
        if (strncmp(variable, always[i], strlen(always[i])) == 0) {
            return true;
        }
    }
    for (size_t i = 0; other_user && i < VV_COUNT(others); i++) {
        if (strncmp(variable, others[i], strlen(others[i])) == 0) {
            return true;
        }
    }
    return false;
}

static enum vv_rc
make_environment(const struct rehearse_program *p, struct environment *e, struct vv_error *err)
{
    size_t count = 0;
    size_t own = p->user->other ? VV_COUNT(e->own) : 1;
    size_t at = 0;

    while (environ[count] != NULL) {
        count++;
    }
    e->items = vv_alloc_array(count + VV_COUNT(e->own) + 1, sizeof(*e->items));
    if (e->items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_left_out(environ[i], p->user->other)) {
            e->items[at++] = environ[i];
        }
    }
    vv_buf_put_text(&e->own[0], "LC_ALL=C");
    vv_buf_printf(&e->own[1], "HOME=%s", p->directory);
    vv_buf_printf(&e->own[2], "VARVE_STATE_DIR=%s/state", p->directory);
    vv_buf_printf(&e->own[3], "VARVE_CACHE_DIR=%s/cache", p->directory);
    for (size_t i = 0; i < own; i++) {
        vv_buf_put_u8(&e->own[i], 0);
        VV_TRY(vv_buf_check(&e->own[i], err));
        e->items[at++] = (char *)e->own[i].data;
    }
    return VV_OK;
}

/** In the child; only what may be called there. */
static void
become(const struct rehearse_program *p, pid_t parent, int log, int nothing, char **words,
       char **environment)
{
    static const char text[] = "cannot be run\n";

    if (!vv_child_detach(nothing, log, log)) {
        _exit(126);
    }
    if (p->user->other && (setgroups(1, &p->user->gid) != 0 || setgid(p->user->gid) != 0 ||
                           setuid(p->user->uid) != 0)) {
        _exit(126);
    }
    /* After the change of user, which undoes it. */
    if (chdir(p->directory) != 0 || !vv_child_end_with(parent, SIGQUIT)) {
        _exit(126);
    }
    (void)execve(words[0], words, environment);
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        /* the exit code says it */
    }
    _exit(127);
}

static enum vv_rc
spawn(struct rehearse_process *p, const struct rehearse_program *program, char **words,
      char **environment, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    VV_CLEANUP(vv_fd_closep)
    int log = open(program->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    pid_t parent = getpid();

    if (nothing < 0 || log < 0) {
        return vv_error_sys(err, errno, "cannot open '%s'", log < 0 ? program->log : "/dev/null");
    }
    vv_children_count();
    p->pid = vv_child_fork();
    if (p->pid == 0) {
        become(program, parent, log, nothing, words, environment);
    }
    if (p->pid < 0) {
        p->pid = 0;
        return vv_error_sys(err, errno, "cannot start '%s'", words[0]);
    }
    return VV_OK;
}

enum vv_rc
rehearse_process_start(struct rehearse_process *p, const struct rehearse_program *program,
                       struct vv_error *err)
{
    struct environment e = {0};
    size_t count = 0;
    char **words;
    enum vv_rc rc;

    *p = (struct rehearse_process){0};
    while (program->words[count] != NULL) {
        count++;
    }
    words = vv_alloc_array(count + 1, sizeof(*words));
    if (words == NULL) {
        return vv_error_nomem(err);
    }
    memcpy(words, program->words, count * sizeof(*words)); /* execve changes nothing */
    rc = make_environment(program, &e, err);
    if (rc == VV_OK) {
        rc = spawn(p, program, words, e.items, err);
    }
    environment_release(&e);
    vv_free(words);
    return rc;
}

/* ---- its end ---- */

bool
rehearse_process_ended(struct rehearse_process *p)
{
    if (p->pid != 0) {
        pid_t got = waitpid(p->pid, &p->status, WNOHANG);
        if (got == p->pid) {
            p->pid = 0;
        }
    }
    return p->pid == 0;
}

enum vv_rc
rehearse_process_wait(struct rehearse_process *p, uint64_t limit_ms, struct vv_cancel *cancel,
                      struct vv_error *err)
{
    const struct timespec pause = {.tv_nsec = 20000000};

    for (uint64_t waited = 0; !rehearse_process_ended(p); waited += 20) {
        VV_TRY(vv_cancel_check(cancel, err));
        if (waited >= limit_ms) {
            return vv_error_set(err, VV_ETRANSIENT, "it has not ended after %llu s",
                                (unsigned long long)(limit_ms / 1000));
        }
        (void)nanosleep(&pause, NULL);
    }
    return VV_OK;
}

void
rehearse_process_end(struct rehearse_process *p)
{
    int status;

    if (rehearse_process_ended(p)) {
        return;
    }
    /* It leads its group and is not reaped: neither number can be anybody else's. */
    (void)kill(-p->pid, SIGQUIT);
    (void)!rehearse_process_wait(p, GRACE_MS, NULL, NULL);
    if (p->pid != 0) {
        (void)kill(-p->pid, SIGKILL);
        while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
        }
        p->pid = 0;
        p->status = status;
    }
}

bool
rehearse_process_succeeded(const struct rehearse_process *p)
{
    return p->pid == 0 && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0;
}

void
rehearse_log_tail(const char *path, size_t most, struct vv_buf *out)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf all = {0};
    size_t from = 0;

    if (vv_file_read(AT_FDCWD, path, LOG_LIMIT, &all, NULL) != VV_OK) {
        return;
    }
    while (all.len > 0 && all.data[all.len - 1] == '\n') {
        all.len--;
    }
    if (all.len > most) {
        const uint8_t *line;
        from = all.len - most;
        line = memchr(all.data + from, '\n', most);
        from = line != NULL ? (size_t)(line - all.data) + 1 : from;
    }
    vv_buf_put(out, all.data + from, all.len - from);
}
