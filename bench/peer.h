/* SPDX-License-Identifier: MIT */

/* What a way of sharing memory must offer to be measured: shmap, the system's
 * own calls, other libraries.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A process has at most one region of a peer at a time, so that each peer
 * keeps it in variables of its own. Names are short and of letters, digits and
 * "-". Sizes are whole pages. */
typedef struct bench_peer {
    const char *name;
    /* Make a region and map all of it, for reading and writing. Returns its
     * first byte, or NULL. `destroy` unmaps it and removes it. */
    void *(*create)(const char *name, size_t size);
    void (*destroy)(const char *name);
    /* Find the region that another process made, and map all of it, likewise.
     * `size` is only for those that cannot tell it. `close` lets go. */
    void *(*open)(const char *name, size_t size);
    void (*close)(void);
} bench_peer;

extern const bench_peer bench_raw;

/* Those that were there when this was built. */
extern const bench_peer bench_apr;
extern const bench_peer bench_boost;
extern const bench_peer bench_nspr;
extern const bench_peer bench_plibsys;
extern const bench_peer bench_qt;

#ifdef __cplusplus
}
#endif

#endif
