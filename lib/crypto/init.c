/* SPDX-License-Identifier: BSD-2-Clause */
/* Start of everything cryptographic in a process: hardening, libsodium, known-answer tests. */
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "core/random.h"
#include "core/thread.h"
#include "crypto/secret.h"
#include "crypto/selftest.h"

/* libsodium draws its random bytes (ephemeral keys) where everything else draws them, so that a
 * seeded test is reproducible throughout. */
static const char *
random_name(void)
{
    return "varve";
}

static uint32_t
random_word(void)
{
    uint32_t word;
    vv_random(&word, sizeof(word));
    return word;
}

static void
random_bytes(void *const buf, const size_t len)
{
    vv_random(buf, len);
}

static struct randombytes_implementation random_source = {
    .implementation_name = random_name,
    .random = random_word,
    .buf = random_bytes,
};

/* No core dumps and no debugger of the same user: both would show keys.  Commands started later
 * are dumpable again after exec; the soft core limit stays and they may raise it. */
static enum vv_rc
forbid_dumps(struct vv_error *err)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return vv_error_sys(err, errno, "cannot make the process non-dumpable");
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0) {
        return vv_error_sys(err, errno, "cannot read the core file limit");
    }
    limit.rlim_cur = 0;
    if (setrlimit(RLIMIT_CORE, &limit) != 0) {
        return vv_error_sys(err, errno, "cannot set the core file limit");
    }
    return VV_OK;
}

/* The first call; the lock is held. */
static enum vv_rc
initialise(struct vv_error *err)
{
    VV_TRY(forbid_dumps(err));
    if (randombytes_set_implementation(&random_source) != 0 || sodium_init() < 0) {
        return vv_error_set(err, VV_EIO, "libsodium cannot be initialised");
    }
    return crypto_selftest(err);
}

enum vv_rc
crypto_init(struct vv_error *err)
{
    static struct vv_mutex lock = VV_MUTEX_INIT;
    static bool ready;
    vv_mutex_lock(&lock);
    enum vv_rc rc = ready ? VV_OK : initialise(err);
    ready = rc == VV_OK;
    vv_mutex_unlock(&lock);
    return rc;
}
