/* SPDX-License-Identifier: BSD-2-Clause */
/* What signals do. */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "exit_code.h"

#define GRACE_NS 900000000

static struct vv_cancel cancel;
static timer_t grace_timer;
static volatile sig_atomic_t grace_timer_made;
static volatile sig_atomic_t without_grace_timer;
static volatile sig_atomic_t terminal_fd = -1;
static volatile sig_atomic_t interrupted_code = EXIT_INTERRUPTED;
static struct termios terminal_saved;
/* of a service */
static unsigned serve_grace_s;
static volatile sig_atomic_t serve_fd = -1;
static atomic_bool stop_wanted;
static atomic_bool reload_wanted;

static void
end_now(void)
{
    static const char text[] = "varve: interrupted\n";

    if (terminal_fd >= 0) {
        (void)tcsetattr((int)terminal_fd, TCSANOW, &terminal_saved);
    }
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        /* nobody is left to tell */
    }
    _exit((int)interrupted_code);
}

static void
on_stop(int number)
{
    const struct itimerspec grace = {.it_value = {.tv_nsec = GRACE_NS}};
    int saved = errno;

    (void)number;
    if (atomic_exchange(&cancel.wanted, true)) {
        end_now();
    }
    if (grace_timer_made && !without_grace_timer) {
        (void)timer_settime(grace_timer, 0, &grace, NULL);
    }
    errno = saved;
}

static void
on_grace_over(int number)
{
    (void)number;
    end_now();
}

/* ---- of a service ---- */

static void
wake(void)
{
    const uint64_t one = 1;

    if (write((int)serve_fd, &one, sizeof(one)) < 0) {
        /* it is readable already */
    }
}

static void
on_service_stop(int number)
{
    const struct itimerspec grace = {.it_value = {.tv_sec = (time_t)serve_grace_s}};
    int saved = errno;

    (void)number;
    if (!atomic_exchange(&stop_wanted, true)) {
        (void)timer_settime(grace_timer, 0, &grace, NULL);
    } else if (atomic_exchange(&cancel.wanted, true)) {
        end_now();
    }
    wake();
    errno = saved;
}

static void
on_service_grace_over(int number)
{
    const struct itimerspec grace = {.it_value = {.tv_sec = (time_t)serve_grace_s}};

    (void)number;
    if (atomic_exchange(&cancel.wanted, true)) {
        end_now();
    }
    (void)timer_settime(grace_timer, 0, &grace, NULL);
    wake();
}

static void
on_reload(int number)
{
    int saved = errno;

    (void)number;
    atomic_store(&reload_wanted, true);
    wake();
    errno = saved;
}

/** A handler, unlike SIG_IGN, is not passed on to commands that are started. */
static void
on_nothing(int number)
{
    (void)number;
}

static void
install(int number, void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    /* No SA_RESTART: a read that waits for a person or a pipe must notice the request to stop. */
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

void
signals_install(void)
{
    struct sigaction old;
    struct sigevent event;

    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    grace_timer_made = timer_create(CLOCK_MONOTONIC, &event, &grace_timer) == 0;
    install(SIGALRM, on_grace_over);
    install(SIGINT, on_stop);
    install(SIGTERM, on_stop);
    /* nohup(1) */
    if (sigaction(SIGHUP, NULL, &old) != 0 || old.sa_handler != SIG_IGN) {
        install(SIGHUP, on_stop);
    }
    install(SIGPIPE, on_nothing);
    install(SIGXFSZ, on_nothing);
}

enum vv_rc
signals_serve(unsigned grace_s, int *ret_fd, struct vv_error *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigset_t held;

    if (fd < 0 || !grace_timer_made) {
        vv_fd_close(fd);
        return vv_error_sys(err, errno, "cannot wait for signals");
    }
    serve_grace_s = grace_s;
    serve_fd = fd;
    install(SIGALRM, on_service_grace_over);
    install(SIGINT, on_service_stop);
    install(SIGTERM, on_service_stop);
    install(SIGHUP, on_reload);
    (void)sigemptyset(&held); /* held back while a reload started us anew */
    (void)sigaddset(&held, SIGHUP);
    (void)sigprocmask(SIG_UNBLOCK, &held, NULL);
    *ret_fd = fd;
    return VV_OK;
}

bool
signals_stop_wanted(void)
{
    return atomic_load(&stop_wanted);
}

bool
signals_reload_wanted(void)
{
    return atomic_exchange(&reload_wanted, false);
}

void
signals_wait_for_cleanup(void)
{
    without_grace_timer = 1;
}

void
signals_exit_with(int code)
{
    interrupted_code = code;
}

struct vv_cancel *
signals_cancel(void)
{
    return &cancel;
}

void
signals_terminal_changed(int fd, const struct termios *saved)
{
    terminal_saved = *saved;
    atomic_signal_fence(memory_order_seq_cst);
    terminal_fd = fd;
}

void
signals_terminal_restored(void)
{
    terminal_fd = -1;
}
