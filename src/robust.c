/* SPDX-License-Identifier: MIT */

/* The rare part of the system's list: with the C library's own nodes in it. */
#include "robust.h"

void shmap__robust_remove_mixed(const shmap__thread *thread, void *node)
{
    void *on = shmap__node_get(node);
    void *back = thread->self.list;

    if (thread->self.list->first != node && thread->self.doubly)
        back = shmap__node_get(shmap__node_back(node));
    else
        while (shmap__node_get(back) != node)
            back = shmap__node_get(back);
    shmap__node_set(back, on);
    if (thread->self.doubly && on != thread->self.list)
        shmap__node_set(shmap__node_back(on), back);
}
