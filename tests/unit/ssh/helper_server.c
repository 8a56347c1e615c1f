/* SPDX-License-Identifier: BSD-2-Clause */
#include "helper_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remove_tree.h"
#include "ssh/stream_child.h"

const char *
server_program(void)
{
    static const char *const places[] = {"/usr/lib/openssh/sftp-server",
                                         "/usr/libexec/openssh/sftp-server",
                                         "/usr/libexec/sftp-server"};

    for (size_t i = 0; i < VV_COUNT(places); i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

struct sftp_client *
served_client(const struct sftp_options *options)
{
    const char *const argv[] = {server_program(), NULL};
    struct byte_stream *stream = NULL;
    struct sftp_client *client = NULL;

    expect_ok(stream_child_new(argv, "test server", &stream, &err_));
    expect_ok(sftp_client_new(stream, options, &client, &err_));
    return client;
}

int
served_setup(void **state)
{
    if (server_program() == NULL) {
        skip();
    }
    struct served *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    snprintf(s->directory, sizeof(s->directory), "/tmp/varve-test-sftp-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    s->client = served_client(NULL);
    *state = s;
    return 0;
}

int
served_teardown(void **state)
{
    struct served *s = *state;

    if (s != NULL) {
        sftp_client_free(s->client);
        remove_tree(s->directory);
        free(s);
    }
    return 0;
}

const char *
served_path(const struct served *s, const char *name)
{
    static _Thread_local char paths[4][256];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", s->directory, name);
    return path;
}
