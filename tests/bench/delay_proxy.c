/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * delay_proxy LISTEN-PORT TARGET-PORT DELAY-MS [CUT-BYTES [SEED | once | end]]: a TCP proxy on loopback that hands
 * on every byte DELAY-MS later, each way, so that a round trip takes twice that.  No loss and no
 * window of its own (64 MiB a direction).  With CUT-BYTES all connections are cut (reset) whenever
 * that many bytes more have passed, both directions together; with SEED after a random number of
 * bytes between 0 and CUT-BYTES each time.  New connections are accepted at once.  "once": they are cut once,
 * and never again; "end": they are cut once, and it ends, so that nobody listens there any more.  LISTEN-PORT 0
 * takes a free port; it prints "port N" when it is ready, and "passed BYTES in CUTS cuts" when it is
 * ended by SIGTERM; after each SIGUSR1 as well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, PIECE = 65536 };
#define QUEUE_MAX (64u << 20)

/* Bytes on their way, not to be written before `due`. */
struct piece {
    struct piece *next;
    uint64_t due;
    size_t len;
    size_t done;
    uint8_t data[PIECE];
};

/* One direction: from one socket to the other. */
struct direction {
    int from;
    int to;
    struct piece *first;
    struct piece *last;
    size_t queued;
    bool ended;  /* nothing more comes */
    bool closed; /* and the other side knows */
};

struct connection {
    bool used;
    struct direction direction[2];
};

static struct connection connections[CONNECTIONS];
static uint64_t delay_ns;
static uint64_t cut_bytes; /* 0: never */
static uint64_t cut_after; /* this time */
static bool cut_randomly;
static bool cut_once;
static bool cut_ends;
static uint64_t random_state;
static uint64_t passed; /* since the last cut */
static uint64_t passed_in_all;
static uint64_t cuts;
static volatile sig_atomic_t asked;

static uint64_t
now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* Close; ${reset}: as if the line had been cut. */
static void
drop(struct connection *c, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    for (unsigned i = 0; i < 2; i++) {
        struct direction *d = &c->direction[i];
        while (d->first != NULL) {
            struct piece *p = d->first;
            d->first = p->next;
            free(p);
        }
        if (reset) {
            (void)setsockopt(d->from, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
        (void)close(d->from);
    }
    memset(c, 0, sizeof(*c));
}

static void
prepare(int fd)
{
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        fail("fcntl");
    }
}

static void
accept_one(int listener, const struct sockaddr_in *target)
{
    int client = accept(listener, NULL, NULL);
    int server;
    struct connection *c = NULL;

    if (client < 0) {
        return;
    }
    for (unsigned i = 0; i < CONNECTIONS && c == NULL; i++) {
        c = connections[i].used ? NULL : &connections[i];
    }
    server = socket(AF_INET, SOCK_STREAM, 0);
    if (c == NULL || server < 0 ||
        connect(server, (const struct sockaddr *)target, sizeof(*target)) != 0) {
        (void)close(client);
        (void)close(server);
        return;
    }
    prepare(client);
    prepare(server);
    c->used = true;
    c->direction[0] = (struct direction){.from = client, .to = server};
    c->direction[1] = (struct direction){.from = server, .to = client};
}

/* False: the connection is gone. */
static bool
take_in(struct direction *d)
{
    struct piece *p = malloc(sizeof(*p));
    ssize_t n;

    if (p == NULL) {
        fail("malloc");
    }
    n = read(d->from, p->data, sizeof(p->data));
    if (n <= 0) {
        bool again = n < 0 && (errno == EAGAIN || errno == EINTR);
        free(p);
        d->ended = !again;
        return n == 0 || again;
    }
    p->next = NULL;
    p->len = (size_t)n;
    p->done = 0;
    p->due = now_ns() + delay_ns;
    *(d->last == NULL ? &d->first : &d->last->next) = p;
    d->last = p;
    d->queued += p->len;
    passed += (uint64_t)n;
    passed_in_all += (uint64_t)n;
    return true;
}

static bool
give_out(struct direction *d, uint64_t now)
{
    while (d->first != NULL && d->first->due <= now) {
        struct piece *p = d->first;
        ssize_t n = write(d->to, p->data + p->done, p->len - p->done);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        p->done += (size_t)n;
        if (p->done < p->len) {
            return true;
        }
        d->queued -= p->len;
        d->first = p->next;
        d->last = d->first == NULL ? NULL : d->last;
        free(p);
    }
    if (d->ended && d->first == NULL && !d->closed) {
        d->closed = true;
        (void)shutdown(d->to, SHUT_WR);
    }
    return true;
}

/* What to wait for; returns how many, and when the next piece is due. */
static nfds_t
waits(struct pollfd *fds, int listener, uint64_t now, uint64_t *ret_due)
{
    nfds_t count = 0;

    fds[count++] = (struct pollfd){.fd = listener, .events = POLLIN};
    *ret_due = UINT64_MAX;
    for (unsigned i = 0; i < CONNECTIONS * 2; i++) {
        struct direction *d = &connections[i / 2].direction[i % 2];
        if (!connections[i / 2].used) {
            continue;
        }
        if (!d->ended && d->queued < QUEUE_MAX) {
            fds[count++] = (struct pollfd){.fd = d->from, .events = POLLIN};
        }
        if (d->first != NULL && d->first->due <= now) {
            fds[count++] = (struct pollfd){.fd = d->to, .events = POLLOUT};
        } else if (d->first != NULL && d->first->due < *ret_due) {
            *ret_due = d->first->due;
        }
    }
    return count;
}

static bool
is_ready(const struct pollfd *fds, nfds_t count, int fd, short events)
{
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd == fd && (fds[i].revents & (events | POLLHUP | POLLERR)) != 0 &&
            (fds[i].events & events) != 0) {
            return true;
        }
    }
    return false;
}

/* splitmix64; the same cuts for the same seed. */
static void
draw_cut(void)
{
    cut_after = cut_bytes;
    if (cut_randomly) {
        uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        cut_after = (z ^ (z >> 31)) % (cut_bytes + 1);
    }
}

static void
say_passed(void)
{
    (void)printf("passed %llu in %llu cuts\n", (unsigned long long)passed_in_all,
                 (unsigned long long)cuts);
    (void)fflush(stdout);
}

static void
note_signal(int number)
{
    asked = number;
}

/* What has been asked for by a signal. */
static void
answer_signal(void)
{
    int number = asked;

    if (number == 0) {
        return;
    }
    asked = 0;
    say_passed();
    if (number == SIGTERM) {
        exit(0);
    }
}

static void
work(const struct pollfd *fds, nfds_t count)
{
    uint64_t now = now_ns();

    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &connections[i];
        bool alive = true;
        for (unsigned j = 0; c->used && alive && j < 2; j++) {
            struct direction *d = &c->direction[j];
            if (is_ready(fds, count, d->from, POLLIN) && !d->ended) {
                alive = take_in(d);
            }
            alive = alive && give_out(d, now);
        }
        if (c->used && (!alive || (c->direction[0].closed && c->direction[1].closed))) {
            drop(c, !alive);
        }
    }
    if (cut_bytes != 0 && passed >= cut_after && passed > 0) {
        passed = 0;
        cuts++;
        draw_cut();
        for (unsigned i = 0; i < CONNECTIONS; i++) {
            if (connections[i].used) {
                drop(&connections[i], true);
            }
        }
        cut_bytes = cut_once ? 0 : cut_bytes;
        if (cut_ends) {
            say_passed();
            exit(0);
        }
    }
}

static int
listen_on(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, len) != 0 || listen(fd, CONNECTIONS) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        fail("listening");
    }
    (void)printf("port %u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

int
main(int argc, char **argv)
{
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static struct pollfd fds[1 + CONNECTIONS * 4];
    int listener;

    if (argc < 4 || argc > 6) {
        (void)fprintf(stderr, "usage: delay_proxy LISTEN-PORT TARGET-PORT DELAY-MS [CUT-BYTES "
                              "[SEED | once | end]]\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    target.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    delay_ns = strtoul(argv[3], NULL, 10) * 1000000u;
    cut_bytes = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    cut_once = argc > 5 && strcmp(argv[5], "once") == 0;
    cut_ends = argc > 5 && strcmp(argv[5], "end") == 0;
    cut_randomly = argc > 5 && !cut_once && !cut_ends;
    random_state = cut_randomly ? strtoull(argv[5], NULL, 10) : 0;
    draw_cut();
    (void)signal(SIGTERM, note_signal);
    (void)signal(SIGUSR1, note_signal);
    listener = listen_on((unsigned)strtoul(argv[1], NULL, 10));
    for (;;) {
        answer_signal();
        uint64_t now = now_ns();
        uint64_t due;
        nfds_t count = waits(fds, listener, now, &due);
        struct timespec wait = {.tv_sec = 3600};
        if (due != UINT64_MAX) {
            uint64_t left = due > now ? due - now : 0;
            wait = (struct timespec){.tv_sec = (time_t)(left / 1000000000u),
                                     .tv_nsec = (long)(left % 1000000000u)};
        }
        if (ppoll(fds, count, &wait, NULL) < 0) {
            if (errno != EINTR) {
                fail("poll");
            }
            continue; /* what fds say is old */
        }
        if ((fds[0].revents & POLLIN) != 0) {
            accept_one(listener, &target);
        }
        work(fds, count);
    }
}
