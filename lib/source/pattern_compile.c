/* SPDX-License-Identifier: BSD-2-Clause */
/* Turning the text of a pattern into components and tokens, and refusing what can never match. */
#include <ctype.h>
#include <string.h>

#include "core/alloc.h"
#include "source/pattern_internal.h"

struct compiler {
    const char *text; /* the whole pattern, for messages */
    const uint8_t *at;
    const uint8_t *end;
    struct glob *glob;
    struct vv_error *err;
};

static enum vv_rc
refuse(const struct compiler *c, const char *why)
{
    return vv_error_set(c->err, VV_EUSAGE, "pattern '%s' can never match: %s", c->text, why);
}

static void
class_add(struct glob_class *class, unsigned first, unsigned last)
{
    for (unsigned byte = first; byte <= last; byte++) {
        class->bits[byte >> 3] |= (uint8_t)(1u << (byte & 7));
    }
}

/* ASCII only, whatever the locale. */
static bool
in_named_class(const char *name, size_t len, unsigned b)
{
    bool upper = b >= 'A' && b <= 'Z';
    bool lower = b >= 'a' && b <= 'z';
    bool digit = b >= '0' && b <= '9';
    bool graph = b > ' ' && b < 0x7f;
    bool space = b == ' ' || (b >= '\t' && b <= '\r');
    const struct {
        const char *name;
        bool is;
    } classes[] = {
        {"alnum", upper || lower || digit},
        {"alpha", upper || lower},
        {"blank", b == ' ' || b == '\t'},
        {"cntrl", b < ' ' || b == 0x7f},
        {"digit", digit},
        {"graph", graph},
        {"lower", lower},
        {"print", graph || b == ' '},
        {"punct", graph && !upper && !lower && !digit},
        {"space", space},
        {"upper", upper},
        {"xdigit", digit || (b >= 'A' && b <= 'F') || (b >= 'a' && b <= 'f')},
    };
    for (size_t i = 0; i < VV_COUNT(classes); i++) {
        if (strlen(classes[i].name) == len && memcmp(classes[i].name, name, len) == 0) {
            return classes[i].is;
        }
    }
    return false;
}

static bool
named_class_known(const char *name, size_t len)
{
    for (unsigned b = 0; b < 256; b++) {
        if (in_named_class(name, len, b)) {
            return true;
        }
    }
    return false;
}

/* Try "[:name:]" at c->at ("[" and ":" are there).  False: an ordinary '['.  An unknown name leaves
 * *ret_known false. */
static bool
parse_named_class(struct compiler *c, struct glob_class *class, bool *ret_known)
{
    const uint8_t *name = c->at + 2;
    const uint8_t *close = memchr(name, ']', (size_t)(c->end - name));
    *ret_known = true;
    if (close == NULL) {
        *ret_known = false;
        return true;
    }
    if (close == name || close[-1] != ':') {
        return false;
    }
    size_t len = (size_t)(close - 1 - name);
    *ret_known = named_class_known((const char *)name, len);
    for (unsigned b = 0; b < 256; b++) {
        if (in_named_class((const char *)name, len, b)) {
            class_add(class, b, b);
        }
    }
    c->at = close + 1;
    return true;
}

/* One byte of a class, unquoted.  False at the end of the text. */
static bool
class_byte(struct compiler *c, uint8_t *ret)
{
    if (c->at < c->end && *c->at == '\\') {
        c->at++;
    }
    if (c->at >= c->end) {
        return false;
    }
    *ret = *c->at++;
    return true;
}

/* The inside of "[...]", c->at behind the opening bracket.  False: it is malformed. */
static bool
parse_class_items(struct compiler *c, struct glob_class *class)
{
    bool have_low = false; /* the item before can begin a range */
    uint8_t low = 0;
    for (bool first = true;; first = false) {
        if (c->at >= c->end) {
            return false;
        }
        if (*c->at == ']' && !first) {
            c->at++;
            return true;
        }
        bool known;
        if (*c->at == '-' && have_low && c->end - c->at > 1 && c->at[1] != ']') {
            uint8_t high;
            c->at++;
            if (!class_byte(c, &high)) {
                return false;
            }
            if (low <= high) {
                class_add(class, low, high);
            }
            have_low = false;
        } else if (*c->at == '[' && c->end - c->at > 1 && c->at[1] == ':' &&
                   parse_named_class(c, class, &known)) {
            if (!known) {
                return false;
            }
            have_low = false;
        } else {
            if (!class_byte(c, &low)) {
                return false;
            }
            class_add(class, low, low);
            have_low = true;
        }
    }
}

static enum vv_rc
compile_class(struct compiler *c)
{
    struct glob *g = c->glob;
    struct glob_class class = {{0}};
    bool inverted = c->at < c->end && (*c->at == '!' || *c->at == '^');
    if (inverted) {
        c->at++;
    }
    if (!parse_class_items(c, &class)) {
        return refuse(c, "a '[' is not closed or names an unknown class");
    }
    bool empty = true;
    for (size_t i = 0; i < sizeof(class.bits); i++) {
        class.bits[i] = inverted ? (uint8_t) ~class.bits[i] : class.bits[i];
    }
    class.bits[0] &= 0xfe;                                /* no name has a NUL ... */
    class.bits['/' >> 3] &= (uint8_t) ~(1u << ('/' & 7)); /* ... or a slash */
    for (size_t i = 0; i < sizeof(class.bits); i++) {
        empty = empty && class.bits[i] == 0;
    }
    if (empty) {
        return refuse(c, "a '[...]' holds no character a name can have");
    }
    struct glob_class *grown = vv_realloc_array(g->classes, g->class_count + 1u, sizeof(class));
    if (grown == NULL) {
        return vv_error_nomem(c->err);
    }
    g->classes = grown;
    g->classes[g->class_count] = class;
    g->tokens[g->token_count++] =
        (struct glob_token){.kind = GLOB_CLASS, .place = g->class_count++};
    return VV_OK;
}

static void
add_token(struct glob *g, enum glob_kind kind, uint8_t byte)
{
    g->tokens[g->token_count++] = (struct glob_token){.kind = (uint8_t)kind, .byte = byte};
}

/* One component up to the next slash that is a separator (consumed) or the end. */
static enum vv_rc
compile_component(struct compiler *c, bool anchored)
{
    struct glob *g = c->glob;
    uint32_t first = g->token_count;
    unsigned stars = 0;
    bool separated = false;
    while (c->at < c->end && !separated) {
        uint8_t byte = *c->at++;
        if (byte == '/') {
            separated = true;
        } else if (byte == '*') {
            stars++;
            if (g->token_count == first || g->tokens[g->token_count - 1].kind != GLOB_STAR) {
                add_token(g, GLOB_STAR, 0);
            }
        } else if (byte == '?') {
            add_token(g, GLOB_ANY, 0);
        } else if (byte == '[') {
            VV_TRY(compile_class(c));
        } else if (byte == '\\') {
            if (c->at == c->end) {
                return refuse(c, "it ends in a backslash that quotes nothing");
            }
            byte = *c->at++;
            if (byte == '/') {
                separated = true;
            } else {
                add_token(g, GLOB_BYTE, byte);
            }
        } else {
            add_token(g, GLOB_BYTE, byte);
        }
    }
    uint32_t count = g->token_count - first;
    bool deep = anchored && stars > 1 && count == 1;
    if (count == 0 || (separated && c->at == c->end)) {
        return refuse(c, "it has an empty component");
    }
    if (count <= 2 && g->tokens[first].kind == GLOB_BYTE && g->tokens[first].byte == '.' &&
        g->tokens[first + count - 1].kind == GLOB_BYTE &&
        g->tokens[first + count - 1].byte == '.') {
        return refuse(c, "it has a '.' or '..' component");
    }
    g->components[g->component_count++] =
        (struct glob_component){.first = first, .count = count, .deep = deep};
    return VV_OK;
}

static enum vv_rc
compile_glob(struct compiler *c, bool anchored)
{
    struct glob *g = c->glob;
    size_t len = (size_t)(c->end - c->at);
    /* A token or a component takes at least one byte; "**" at the end becomes "**" and "*". */
    g->tokens = vv_alloc_array(len + 1, sizeof(*g->tokens));
    g->components = vv_alloc_array(len + 2, sizeof(*g->components));
    if (g->tokens == NULL || g->components == NULL) {
        return vv_error_nomem(c->err);
    }
    do {
        VV_TRY(compile_component(c, anchored));
    } while (c->at < c->end);
    if (g->components[g->component_count - 1].deep) {
        /* "a/" "**": whatever is inside a, but not a.  The tokens of the "**" are one star. */
        g->components[g->component_count] = g->components[g->component_count - 1];
        g->components[g->component_count++].deep = false;
    }
    struct glob_component *fitting =
        vv_realloc_array(g->components, g->component_count, sizeof(*fitting));
    g->components = fitting != NULL ? fitting : g->components;
    return VV_OK;
}

void
pattern_release(struct pattern *p)
{
    vv_free(p->text);
    vv_free(p->glob.components);
    vv_free(p->glob.tokens);
    vv_free(p->glob.classes);
    *p = (struct pattern){0};
}

enum vv_rc
pattern_compile(const char *text, struct pattern *ret, struct vv_error *err)
{
    VV_CLEANUP(pattern_release) struct pattern p = {0};
    struct compiler c = {.text = text, .glob = &p.glob, .err = err};
    size_t len = strlen(text);
    if (len > PATTERN_LIMIT) {
        return vv_error_set(err, VV_EUSAGE, "a pattern is longer than %u bytes", PATTERN_LIMIT);
    }
    c.at = (const uint8_t *)text;
    c.end = c.at + len;
    if (c.at < c.end && *c.at == '!') {
        p.negated = true;
        c.at++;
    }
    if (c.at < c.end && c.end[-1] == '/') {
        p.directory_only = true;
        c.end--;
    }
    if (c.at == c.end) {
        return refuse(&c, "it is empty");
    }
    p.anchored = memchr(c.at, '/', (size_t)(c.end - c.at)) != NULL;
    if (*c.at == '/') {
        c.at++;
    }
    VV_TRY(compile_glob(&c, p.anchored));
    p.text = vv_strdup(text);
    if (p.text == NULL) {
        return vv_error_nomem(err);
    }
    *ret = p;
    p = (struct pattern){0};
    return VV_OK;
}
