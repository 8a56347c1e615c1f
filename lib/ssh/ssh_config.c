/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading what `ssh -G` prints: one "keyword value" a line, the keyword in lower case. */
#include "ssh/ssh_config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, YES, PORT, APPEND, WORDS, STRICT };

static const struct keyword {
    const char *name;
    enum kind kind;
    size_t at;
} keywords[] = {
    {"hostname", TEXT, offsetof(struct ssh_config, host_name)},
    {"user", TEXT, offsetof(struct ssh_config, user)},
    {"port", PORT, offsetof(struct ssh_config, port)},
    {"hostkeyalias", TEXT, offsetof(struct ssh_config, host_key_alias)},
    {"identityfile", APPEND, offsetof(struct ssh_config, identities)},
    {"certificatefile", APPEND, offsetof(struct ssh_config, certificates)},
    {"identitiesonly", YES, offsetof(struct ssh_config, identities_only)},
    {"identityagent", TEXT, offsetof(struct ssh_config, identity_agent)},
    {"userknownhostsfile", WORDS, offsetof(struct ssh_config, user_known_hosts)},
    {"globalknownhostsfile", WORDS, offsetof(struct ssh_config, global_known_hosts)},
    {"hashknownhosts", YES, offsetof(struct ssh_config, hash_known_hosts)},
    {"stricthostkeychecking", STRICT, offsetof(struct ssh_config, accept_new)},
    {"addressfamily", TEXT, offsetof(struct ssh_config, address_family)},
    {"ciphers", TEXT, offsetof(struct ssh_config, ciphers)},
    {"proxyjump", TEXT, offsetof(struct ssh_config, proxy_jump)},
    {"proxycommand", TEXT, offsetof(struct ssh_config, proxy_command)},
    {"controlpath", TEXT, offsetof(struct ssh_config, control_path)},
    {"bindaddress", TEXT, offsetof(struct ssh_config, bind_address)},
    {"bindinterface", TEXT, offsetof(struct ssh_config, bind_interface)},
    {"knownhostscommand", TEXT, offsetof(struct ssh_config, known_hosts_command)},
    {"revokedhostkeys", TEXT, offsetof(struct ssh_config, revoked_host_keys)},
    {"pkcs11provider", TEXT, offsetof(struct ssh_config, pkcs11_provider)},
    {"verifyhostkeydns", YES, offsetof(struct ssh_config, verify_host_key_dns)},
    {"gssapiauthentication", YES, offsetof(struct ssh_config, gssapi)},
    {"hostbasedauthentication", YES, offsetof(struct ssh_config, host_based)},
};

static void
append(struct ssh_config_list *list, const char *item)
{
    if (list->count < SSH_CONFIG_FILES && *item != '\0') {
        list->items[list->count++] = item;
    }
}

/* Cut ${words} at its blanks. */
static void
append_words(struct ssh_config_list *list, char *words)
{
    for (char *end; *words != '\0'; words = end) {
        words += strspn(words, " \t");
        end = words + strcspn(words, " \t");
        if (*end != '\0') {
            *end++ = '\0';
        }
        append(list, words);
    }
}

static bool
is_one_of(const char *value, const char *a, const char *b, const char *c)
{
    return strcmp(value, a) == 0 || strcmp(value, b) == 0 || strcmp(value, c) == 0;
}

static void
set(struct ssh_config *c, const struct keyword *k, char *value)
{
    void *field = (char *)c + k->at;

    switch (k->kind) {
    case TEXT:
        /* "none" is the same as not set, but for the agent, where it forbids one. */
        if (*value != '\0' &&
            (strcmp(value, "none") != 0 || strcmp(k->name, "identityagent") == 0)) {
            *(const char **)field = value;
        }
        break;
    case YES:
        *(bool *)field = is_one_of(value, "yes", "true", "ask");
        break;
    case PORT: {
        unsigned long port = strtoul(value, NULL, 10);
        *(unsigned *)field = port <= 65535 ? (unsigned)port : 0;
        break;
    }
    case APPEND:
        if (strcmp(value, "none") != 0) {
            append(field, value);
        }
        break;
    case WORDS:
        append_words(field, value);
        break;
    case STRICT:
        *(bool *)field = is_one_of(value, "accept-new", "no", "false") || strcmp(value, "off") == 0;
        break;
    }
}

static void
parse_line(struct ssh_config *c, char *line)
{
    char *value = line + strcspn(line, " ");

    if (*value != '\0') {
        *value++ = '\0';
    }
    for (size_t i = 0; i < VV_COUNT(keywords); i++) {
        if (strcmp(keywords[i].name, line) == 0) {
            set(c, &keywords[i], value);
            return;
        }
    }
}

enum vv_rc
ssh_config_parse(struct vv_span text, struct ssh_config *ret, struct vv_error *err)
{
    struct ssh_config c = {0};

    vv_buf_put(&c.text, text.data, text.len);
    vv_buf_put_u8(&c.text, '\0');
    VV_TRY(vv_buf_check(&c.text, err));
    for (char *line = (char *)c.text.data; *line != '\0';) {
        char *end = line + strcspn(line, "\r\n");
        char *next = end + strspn(end, "\r\n");
        *end = '\0';
        parse_line(&c, line);
        line = next;
    }
    if (c.host_name == NULL || c.user == NULL) {
        ssh_config_release(&c);
        return vv_error_set(err, VV_EUNSUPPORTED, "no configuration as 'ssh -G' prints it");
    }
    c.known = true;
    *ret = c;
    return VV_OK;
}

void
ssh_config_release(struct ssh_config *c)
{
    vv_buf_release(&c->text);
    *c = (struct ssh_config){0};
}
