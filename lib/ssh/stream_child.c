/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte stream over the standard input and output of a child process. */
#include "ssh/stream_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"

enum {
    STDERR_KEPT = 4096,
    SOCKET_BYTES = 4 << 20, /* wanted; the kernel gives what it allows */
    LAST_WORDS_MS = 250,    /* for standard error once standard output has ended */
    LEAVE_MS = 1000,        /* from the end of its input to SIGTERM; none if it never answered */
    GRACE_MS = 500,         /* from SIGTERM to SIGKILL */
};

extern char **environ;

struct stream_child {
    struct byte_stream base;
    pid_t pid;    /* 0: reaped */
    int line;     /* its standard input and output: one socket; -1: closed */
    int error_fd; /* its standard error; -1: ended */
    bool heard;   /* something came from it */
    char *name;
    char said[STDERR_KEPT]; /* ring of what it said last */
    size_t said_at;
    bool said_full;
};

static struct stream_child *
child_of(struct byte_stream *s)
{
    return (struct stream_child *)s;
}

/* ---- standard error ---- */

static void
keep(struct stream_child *c, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        c->said[c->said_at++] = data[i];
        if (c->said_at == sizeof(c->said)) {
            c->said_at = 0;
            c->said_full = true;
        }
    }
}

/* Take what is there; a limited amount, somebody may write for ever. */
static void
hear(struct stream_child *c)
{
    char buf[2048];

    for (int i = 0; i < 16 && c->error_fd >= 0; i++) {
        ssize_t got = read(c->error_fd, buf, sizeof(buf));
        if (got > 0) {
            keep(c, buf, (size_t)got);
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            vv_fd_close(c->error_fd);
            c->error_fd = -1;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

void
stream_child_said(struct byte_stream *s, struct vv_buf *out)
{
    struct stream_child *c = child_of(s);

    hear(c);
    if (c->said_full) {
        vv_buf_put(out, c->said + c->said_at, sizeof(c->said) - c->said_at);
    }
    vv_buf_put(out, c->said, c->said_at);
}

/* The last lines of standard error, newlines as "; ", for a message. */
static void
last_words(struct stream_child *c, char *out, size_t size)
{
    struct vv_buf all = {0};
    size_t at = 0;

    out[0] = '\0';
    stream_child_said(&c->base, &all);
    if (!all.failed) {
        size_t len = all.len;
        while (len > 0 && (all.data[len - 1] == '\n' || all.data[len - 1] == '\r')) {
            len--;
        }
        for (size_t i = len > size / 2 ? len - size / 2 : 0; i < len && at + 3 < size; i++) {
            if (all.data[i] == '\n') {
                out[at++] = ';';
                out[at++] = ' ';
            } else if (all.data[i] != '\r' && all.data[i] != '\0') {
                out[at++] = (char)all.data[i];
            }
        }
        out[at] = '\0';
    }
    vv_buf_release(&all);
}

/* ---- its end ---- */

/* Whether it has ended.  It stays a zombie, so that its number means it and nobody else. */
static bool
has_ended(const struct stream_child *c)
{
    siginfo_t how = {0};

    if (waitid(P_PID, (id_t)c->pid, &how, WEXITED | WNOHANG | WNOWAIT) != 0) {
        return errno != EINTR;
    }
    return how.si_pid != 0;
}

static bool
await_end(const struct stream_child *c, unsigned limit_ms)
{
    unsigned waited = 0;
    unsigned step = 1;

    while (!has_ended(c)) {
        if (waited >= limit_ms) {
            return false;
        }
        struct timespec pause = {.tv_nsec = (long)step * 1000000};
        (void)nanosleep(&pause, NULL);
        waited += step;
        step = step < 32 ? step * 2 : step;
    }
    return true;
}

static void
end_child(struct stream_child *c)
{
    vv_fd_close(c->line);
    c->line = -1;
    if (c->pid == 0) {
        return;
    }
    /* one that has never answered has nothing to bring to an end: it is not waited for */
    if (!await_end(c, c->heard ? LEAVE_MS : 0)) {
        (void)kill(-c->pid, SIGTERM);
        if (!await_end(c, GRACE_MS)) {
            (void)kill(-c->pid, SIGKILL);
        }
    }
    int status;
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    c->pid = 0;
}

static enum vv_rc
closed(struct stream_child *c, const char *what, struct vv_error *err)
{
    char words[768];
    struct timespec now;
    struct timespec until;

    /* What it has to say may come a moment later than the end of its output. */
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    for (now = until; c->error_fd >= 0; (void)clock_gettime(CLOCK_MONOTONIC, &now)) {
        struct pollfd fd = {.fd = c->error_fd, .events = POLLIN};
        long passed = (now.tv_sec - until.tv_sec) * 1000 + (now.tv_nsec - until.tv_nsec) / 1000000;
        if (passed >= LAST_WORDS_MS || poll(&fd, 1, (int)(LAST_WORDS_MS - passed)) == 0) {
            break;
        }
        hear(c);
    }
    last_words(c, words, sizeof(words));
    if (words[0] == '\0') {
        return vv_error_set(err, VV_ETRANSIENT, "%s: %s", c->name, what);
    }
    return vv_error_set(err, VV_ETRANSIENT, "%s: %s: %s", c->name, what, words);
}

/* ---- the stream ---- */

static enum vv_rc
child_receive(struct byte_stream *s, uint8_t *buf, size_t len, size_t *ret_len,
              struct vv_error *err)
{
    struct stream_child *c = child_of(s);
    ssize_t got;

    do {
        got = recv(c->line, buf, len, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        c->heard = true;
        *ret_len = (size_t)got;
        return VV_OK;
    }
    hear(c);
    if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        return closed(c, "the server closed the connection", err);
    }
    *ret_len = 0;
    return VV_OK;
}

static enum vv_rc
child_send(struct byte_stream *s, struct vv_span data, size_t *ret_len, struct vv_error *err)
{
    struct stream_child *c = child_of(s);
    ssize_t put;

    do {
        put = send(c->line, data.data, data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put >= 0) {
        *ret_len = (size_t)put;
        return VV_OK;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
        return closed(c, "the server closed the connection", err);
    }
    *ret_len = 0;
    return VV_OK;
}

static size_t
child_wait_for(struct byte_stream *s, bool sending, struct pollfd fds[BYTE_STREAM_FDS],
               int *ret_timeout_ms)
{
    struct stream_child *c = child_of(s);

    fds[0] = (struct pollfd){.fd = c->line, .events = (short)(POLLIN | (sending ? POLLOUT : 0))};
    fds[1] = (struct pollfd){.fd = c->error_fd, .events = POLLIN};
    *ret_timeout_ms = -1;
    return c->error_fd >= 0 ? 2 : 1;
}

static void
child_free(struct byte_stream *s)
{
    struct stream_child *c = child_of(s);

    end_child(c);
    vv_fd_close(c->error_fd);
    vv_free(c->name);
    vv_free(c);
}

static const struct byte_stream_ops child_ops = {
    .receive = child_receive, .send = child_send, .wait_for = child_wait_for, .free = child_free};

/* ---- start ---- */

/* All it has of ours is what is named here. */
static int
plan(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions, int line, int error_fd)
{
    sigset_t none;
    sigset_t defaults;
    int rc;

    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE); /* we may ignore it; it must not */
    rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETSIGDEF);
    rc = rc != 0 ? rc : posix_spawnattr_setpgroup(attributes, 0);
    rc = rc != 0 ? rc : posix_spawnattr_setsigmask(attributes, &none);
    rc = rc != 0 ? rc : posix_spawnattr_setsigdefault(attributes, &defaults);
    /* Ours are above 2 and close-on-exec: the copies made here are not. */
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(actions, line, STDIN_FILENO);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(actions, line, STDOUT_FILENO);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(actions, error_fd, STDERR_FILENO);
    return rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

static int
spawn(const char *const argv[], int line, int error_fd, pid_t *ret)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    char *const *words;
    int rc;

    memcpy(&words, &argv, sizeof(words)); /* wanted without const; nothing is changed */
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0) {
        return rc;
    }
    rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = plan(&attributes, &actions, line, error_fd);
        rc = rc != 0 ? rc : posix_spawnp(ret, argv[0], &actions, &attributes, words, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)posix_spawnattr_destroy(&attributes);
    return rc;
}

/* Move both above 2, whatever of 0 to 2 our caller has closed; both are closed on failure. */
static int
lift(int ends[2])
{
    int error = 0;

    for (int i = 0; i < 2; i++) {
        int high = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
        error = high < 0 && error == 0 ? errno : error;
        vv_fd_close(ends[i]);
        ends[i] = high;
    }
    if (error != 0) {
        vv_fd_close(ends[0]);
        vv_fd_close(ends[1]);
        ends[0] = ends[1] = -1;
    }
    return error;
}

static int
open_line(int ends[2])
{
    const int bytes = SOCKET_BYTES;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        ends[0] = ends[1] = -1;
        return errno;
    }
    int error = lift(ends);
    for (int i = 0; i < 2 && error == 0; i++) {
        (void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
    return error;
}

static int
open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0) {
        ends[0] = ends[1] = -1;
        return errno;
    }
    return lift(ends);
}

/* If our parent ignored the end of its children, so do we, and cannot wait for ours. */
static void
do_not_ignore_children(void)
{
    struct sigaction now;

    if (sigaction(SIGCHLD, NULL, &now) == 0 &&
        (now.sa_handler == SIG_IGN || (now.sa_flags & SA_NOCLDWAIT) != 0)) {
        now.sa_handler = SIG_DFL;
        now.sa_flags = 0;
        (void)sigaction(SIGCHLD, &now, NULL);
    }
}

static int
start(struct stream_child *c, const char *const argv[])
{
    int line[2] = {-1, -1};
    int error_out[2] = {-1, -1};
    pid_t pid = 0;

    int error = open_line(line);
    error = error != 0 ? error : open_pipe(error_out);
    c->line = line[0];
    c->error_fd = error_out[0];
    if (error == 0) {
        (void)fcntl(c->error_fd, F_SETFL, O_NONBLOCK);
        do_not_ignore_children();
        error = spawn(argv, line[1], error_out[1], &pid);
    }
    c->pid = error == 0 ? pid : 0;
    vv_fd_close(line[1]);
    vv_fd_close(error_out[1]);
    return error;
}

enum vv_rc
stream_child_new(const char *const argv[], const char *name, struct byte_stream **ret,
                 struct vv_error *err)
{
    struct stream_child *c = vv_alloc_array(1, sizeof(*c));

    if (c == NULL) {
        return vv_error_nomem(err);
    }
    c->base.ops = &child_ops;
    c->line = c->error_fd = -1;
    c->name = vv_strdup(name);
    if (c->name == NULL) {
        child_free(&c->base);
        return vv_error_nomem(err);
    }
    c->base.name = c->name;
    int error = start(c, argv);
    if (error != 0) {
        child_free(&c->base);
        return vv_error_sys(err, error, "cannot start '%s'", argv[0]);
    }
    *ret = &c->base;
    return VV_OK;
}
