/* SPDX-License-Identifier: BSD-2-Clause */
/* Telling a service manager how we are. */
#include "manager_notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"

#define STALL_NS (UINT64_C(600) * 1000000000)

static uint64_t
now_ns(void)
{
    return vv_clock_system()->monotonic(vv_clock_system());
}

void
manager_alive(struct manager *m)
{
    atomic_store(&m->alive_ns, now_ns());
}

void
manager_say(const struct manager *m, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    int n;

    if (m->fd < 0) {
        return;
    }
    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n > 0 && sendto(m->fd, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1,
                        MSG_NOSIGNAL, (const struct sockaddr *)&m->address, m->address_len) < 0) {
        /* a manager that does not listen is nothing we could do about */
    }
}

/** Something that moves as long as a snapshot is being made. */
static uint64_t
moved(const struct manager *m)
{
    const struct vv_progress *p = m->progress;

    return p == NULL ? 0
                     : atomic_load(&p->bytes_done) + atomic_load(&p->files_done) +
                           (uint64_t)atomic_load(&p->phase);
}

static void
watchdog_main(void *arg)
{
    struct manager *m = arg;
    uint64_t before = moved(m);

    vv_mutex_lock(&m->lock);
    while (!m->ending) {
        uint64_t now = moved(m);
        if (now != before) {
            before = now;
            manager_alive(m);
        }
        if (now_ns() - atomic_load(&m->alive_ns) < STALL_NS) {
            manager_say(m, "WATCHDOG=1");
        }
        (void)vv_cond_wait_ms(&m->end, &m->lock, m->watchdog_ms / 3 + 1);
    }
    vv_mutex_unlock(&m->lock);
}

/** A path, or '@' and a name that is no path. */
static bool
set_address(struct manager *m, const char *socket_name)
{
    size_t len = strlen(socket_name);

    if ((socket_name[0] != '/' && socket_name[0] != '@') || len < 2 ||
        len >= sizeof(m->address.sun_path)) {
        return false;
    }
    m->address.sun_family = AF_UNIX;
    memcpy(m->address.sun_path, socket_name, len + 1);
    if (socket_name[0] == '@') {
        m->address.sun_path[0] = '\0';
    }
    m->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

static uint64_t
watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");

    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
        return 0;
    }
    return strtoull(usec, NULL, 10) / 1000;
}

enum vv_rc
manager_begin(struct manager *m, const struct vv_progress *progress, struct vv_error *err)
{
    const char *socket_name = getenv("NOTIFY_SOCKET");

    *m = (struct manager){.fd = -1, .progress = progress, .begun = true};
    vv_mutex_init(&m->lock);
    vv_cond_init(&m->end);
    manager_alive(m);
    if (socket_name == NULL || !set_address(m, socket_name)) {
        return VV_OK;
    }
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (m->fd < 0) {
        return vv_error_sys(err, errno, "cannot tell the service manager anything");
    }
    m->watchdog_ms = watchdog_ms();
    return m->watchdog_ms == 0 ? VV_OK
                               : vv_thread_start(&m->thread, "watchdog", watchdog_main, m, err);
}

void
manager_end(struct manager *m)
{
    if (!m->begun) {
        return;
    }
    vv_mutex_lock(&m->lock);
    m->ending = true;
    vv_cond_broadcast(&m->end);
    vv_mutex_unlock(&m->lock);
    vv_thread_join(&m->thread);
    vv_fd_close(m->fd);
    m->fd = -1;
    vv_cond_release(&m->end);
    vv_mutex_release(&m->lock);
}
