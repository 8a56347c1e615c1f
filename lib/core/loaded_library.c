/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared libraries, opened when they are needed. */
#include "core/loaded_library.h"

#include <dlfcn.h>
#include <string.h>

/* What dlerror says, without the file's name in front if it would only be said twice. */
static const char *
reason(const struct vv_loaded_library *l)
{
    const char *text = dlerror();
    size_t len = strlen(l->file);

    if (text == NULL) {
        return "failed";
    }
    return strncmp(text, l->file, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2
                                                                                 : text;
}

static enum vv_rc
fail(const struct vv_loaded_library *l, struct vv_error *err)
{
    vv_error_hint(err,
                  "is the package %s installed, and whole?  On Debian: "
                  "apt-get install --reinstall %s",
                  l->package, l->package);
    return VV_EUNSUPPORTED;
}

static enum vv_rc
open_once(struct vv_loaded_library *l, struct vv_error *err)
{
    /* Everything it needs is bound now: later, what is missing would end the process. */
    void *handle = dlopen(l->file, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL) {
        (void)vv_error_set(err, VV_EUNSUPPORTED, "cannot open the library '%s', for %s: %s",
                           l->file, l->purpose, reason(l));
        return fail(l, err);
    }
    for (size_t i = 0; i < l->count; i++) {
        void *symbol = dlsym(handle, l->names[i]);
        if (symbol == NULL) {
            (void)vv_error_set(err, VV_EUNSUPPORTED,
                               "the library '%s', for %s, has no function '%s'", l->file,
                               l->purpose, l->names[i]);
            memset(l->functions, 0, l->count * sizeof(symbol));
            (void)dlclose(handle);
            return fail(l, err);
        }
        memcpy((unsigned char *)l->functions + i * sizeof(symbol), &symbol, sizeof(symbol));
    }
    return VV_OK;
}

enum vv_rc
vv_loaded_library_open(struct vv_loaded_library *l, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    if (atomic_load_explicit(&l->open, memory_order_acquire)) {
        return VV_OK;
    }
    vv_mutex_lock(&l->lock);
    if (!atomic_load_explicit(&l->open, memory_order_relaxed)) {
        rc = open_once(l, err);
        atomic_store_explicit(&l->open, rc == VV_OK, memory_order_release);
    }
    vv_mutex_unlock(&l->lock);
    return rc;
}
