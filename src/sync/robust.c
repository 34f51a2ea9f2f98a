/* SPDX-License-Identifier: MIT */

/* The rare part of the system's list: with the C library's own nodes in it. */
#include "posix/linux/robust.h"

enum { NODES_MAX = 2048 }; /* of which the kernel looks at no more */

/* Let a node of the C library, to which a pointer leads, point back. Those that
 * do so have that pointer just before the one that leads on. */
static void point_back(const shmap__thread *thread, const void *to, void *back)
{
    char *node = shmap__node_at(to);

    if (thread->self.doubly && node != (char *)thread->self.list)
        shmap__node_set(node - sizeof(void *), back);
}

void shmap__robust_add_mixed(const shmap__thread *thread, void *node)
{
    point_back(thread, shmap__node_get(node), node);
}

void shmap__robust_remove_mixed(const shmap__thread *thread, const void *node,
                                const void *below)
{
    void *back = thread->self.list;
    void *on = shmap__node_get(node);

    for (unsigned i = 0; shmap__node_at(shmap__node_get(back)) != node; i++) {
        if (i == NODES_MAX)
            return; /* Others wrote over a node: it cannot be found. */
        back = shmap__node_at(shmap__node_get(back));
    }
    shmap__node_set(back, on);
    if (shmap__node_at(on) != below)
        point_back(thread, on, back);
}
