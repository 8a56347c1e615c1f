/* SPDX-License-Identifier: BSD-2-Clause */
/* URLs and connection strings: what may stand in them, and what a server is called after them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/postgres_internal.h"

bool
postgres_available(void)
{
    return true;
}

static const char *
value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options != NULL && options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val != NULL && options->val[0] != '\0' ? options->val : NULL;
        }
    }
    return NULL;
}

enum vv_rc
postgres_target_parse(const char *target, PQconninfoOption **ret, struct vv_error *err)
{
    char *text = NULL;

    /* libpq's text is left out: it may repeat a piece of a password. */
    *ret = NULL;
    if (postgres_is_url(target) || strchr(target, '=') != NULL) {
        enum vv_rc rc = pq_functions_load(err);
        if (rc != VV_OK) {
            return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
        }
        *ret = PQconninfoParse(target, &text);
        PQfreemem(text);
    }
    if (*ret == NULL) {
        (void)vv_error_set(err, VV_EUSAGE, "that is no connection to a PostgreSQL server");
        vv_error_hint(err, "like postgres://ROLE@HOST:PORT/ or 'host=HOST user=ROLE'; special "
                           "characters in a URL are written as %%XX");
        return VV_EUSAGE;
    }
    return VV_OK;
}

enum vv_rc
postgres_target_check(const char *target, struct vv_error *err)
{
    VV_CLEANUP(postgres_options_freep) PQconninfoOption *options = NULL;

    VV_TRY(postgres_target_parse(target, &options, err));
    if (value_of(options, "password") != NULL || value_of(options, "sslpassword") != NULL) {
        (void)vv_error_set(err, VV_EUSAGE, "a password stands in the connection to PostgreSQL");
        vv_error_hint(err,
                      "everybody on this machine can read arguments: put it into ~/.pgpass "
                      "(mode 0600, HOST:PORT:replication:ROLE:PASSWORD), and leave it out here");
        return VV_EUSAGE;
    }
    return VV_OK;
}

/* From the target, else from environment and service file; else NULL. */
static const char *
setting(const PQconninfoOption *given, const PQconninfoOption *defaults, const char *keyword)
{
    const char *value = value_of(given, keyword);

    return value != NULL ? value : value_of(defaults, keyword);
}

static void
put_safe(struct vv_buf *out, const char *text)
{
    size_t begin = out->len;

    for (; *text != '\0'; text++) {
        bool safe = isalnum((unsigned char)*text) || strchr("_-", *text) != NULL ||
                    (*text == '.' && out->len > begin);
        vv_buf_put_u8(out, safe ? (uint8_t)*text : *text == ',' ? '+' : '_');
    }
}

/* Of several hosts' ports ("5432,", as libpq lists them): is any another than usual? */
static bool
is_unusual(const char *port)
{
    while (port != NULL && *port != '\0') {
        size_t n = strcspn(port, ",");
        if (n != 0 && (n != 4 || memcmp(port, "5432", 4) != 0)) {
            return true;
        }
        port += n + (port[n] == ',');
    }
    return false;
}

enum vv_rc
postgres_target_name(const char *target, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(postgres_options_freep) PQconninfoOption *given = NULL;
    VV_CLEANUP(postgres_options_freep) PQconninfoOption *defaults = NULL;
    const char *service;
    const char *host;
    const char *port;

    VV_TRY(postgres_target_parse(target, &given, err));
    defaults = PQconndefaults();
    service = value_of(given, "service");
    if (service == NULL && value_of(given, "host") == NULL) {
        service = value_of(defaults, "service");
        service = service != NULL ? service : getenv("PGSERVICE");
    }
    if (service != NULL && service[0] != '\0') {
        put_safe(out, service);
        return vv_buf_check(out, err);
    }
    host = setting(given, defaults, "host");
    host = host != NULL ? host : setting(given, defaults, "hostaddr");
    port = setting(given, defaults, "port");
    put_safe(out, host == NULL || host[0] == '/' || host[0] == '@' ? "local" : host);
    if (is_unusual(port)) {
        vv_buf_put_u8(out, '-');
        put_safe(out, port);
    }
    return vv_buf_check(out, err);
}
