/* SPDX-License-Identifier: MIT */

/* Presence (Linux): how processes that share a region know of each other, in
 * whatever PID namespaces they are, and whatever they see of /proc.
 *
 * A process has a tag: its PID namespace and a number of its own. For the
 * region of each writable view, before its first lock there, it takes a read
 * lock on the byte of its tag, far beyond any data, in an open file description
 * of its own. That description has no descriptor, which could be closed, or
 * inherited: a mapping keeps it, which children do not get. So the lock ends
 * with the process's memory and never before, and a tag without a lock is that
 * of a process that has ended. After a restart of the machine there are no such
 * locks.
 *
 * A process that cannot open its regions anew has no tag.
 */
#include "posix/os.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/stop.h"

/* Bytes of tags: from here on, one for each. */
static const off_t first_byte = (off_t)1 << 40;

enum { LISTS = 64, PAGE_BITS = 12 };

/* The views of this process, but for private copies. */
static shmap__os_known_view *lists[LISTS];

/* This process's tag; 0: not made yet, or it cannot have one. */
static uint32_t own_tag;

uint32_t shmap__os_unsettled;

static shmap__os_known_view **list_of(const void *base)
{
    return &lists[((uintptr_t)base >> PAGE_BITS) % LISTS];
}

void shmap__posix_view_recall(shmap__os_known_view *known)
{
    shmap__os_known_view **list;

    if (known == NULL)
        return;
    list = list_of(known->base);
    shmap__posix_views_lock();
    known->next = *list;
    *list = known;
    if (own_tag != 0 && known->writable)
        shmap__store32(&shmap__os_unsettled, 1);
    shmap__posix_views_unlock();
}

bool shmap__posix_view_remember(const void *base, size_t size, bool writable,
                                const shmap__os_object *object)
{
    /* Only the memory of this process's presence changes, which others do not
     * see. */
    shmap__os_object *region = (shmap__os_object *)(uintptr_t)object;
    shmap__os_known_view *view = &region->first_view;

    if (shmap__exchange32(&region->first_view_used, 1) != 0)
        view = malloc(sizeof *view);
    if (view == NULL)
        return false;
    view->base = base;
    view->size = size;
    view->writable = writable;
    view->settled = false;
    view->object = region;
    shmap__posix_view_recall(view);
    return true;
}

void shmap__posix_view_end(shmap__os_known_view *known)
{
    if (known == NULL)
        return;
    if (known == &known->object->first_view)
        shmap__store32(&known->object->first_view_used, 0);
    else
        free(known);
}

shmap__os_known_view *shmap__posix_view_forget(const void *base)
{
    shmap__os_known_view **at = list_of(base);
    shmap__os_known_view *view;

    shmap__posix_views_lock();
    while (*at != NULL && (*at)->base != base)
        at = &(*at)->next;
    view = *at;
    if (view != NULL)
        *at = view->next;
    shmap__posix_views_unlock();
    return view;
}

/* Return the view in which this address is, or NULL. */
static shmap__os_known_view *find_view(const void *address)
{
    for (unsigned i = 0; i < LISTS; i++) {
        for (shmap__os_known_view *view = lists[i]; view != NULL;
             view = view->next) {
            if ((uintptr_t)address - (uintptr_t)view->base < view->size)
                return view;
        }
    }
    return NULL;
}

bool shmap__os_view_of(const void *address, size_t *room, bool *writable)
{
    const shmap__os_known_view *view;

    shmap__posix_views_lock();
    view = find_view(address);
    if (view != NULL) {
        *room = view->size - ((uintptr_t)address - (uintptr_t)view->base);
        *writable = view->writable;
    }
    shmap__posix_views_unlock();
    return view != NULL;
}

static bool is_present(const shmap__os_object *object)
{
    return object->presence != NULL && object->presence_of == getpid();
}

/* Keep a description that has the tag's lock. Returns 0 or errno. */
static int keep(shmap__os_object *object, int fd, uint32_t tag)
{
    int error = shmap__posix_lock(fd, first_byte + (off_t)tag, F_RDLCK);
    void *kept;

    if (error != 0)
        return error;
    kept = mmap(NULL, object->page_size, PROT_NONE, MAP_SHARED | MAP_NORESERVE,
                fd, 0);
    if (kept == MAP_FAILED)
        return errno;
    if (madvise(kept, object->page_size, MADV_DONTFORK) != 0) {
        error = errno;
        munmap(kept, object->page_size);
        return error;
    }
    madvise(kept, object->page_size, MADV_DONTDUMP);
    object->presence = kept;
    object->presence_of = getpid();
    return 0;
}

/* Take the tag's lock in one region. Returns 0 or errno. */
static int become_present(shmap__os_object *object, uint32_t tag)
{
    struct stat stat;
    int error;
    int fd;

    if (is_present(object))
        return 0;
    fd = shmap__posix_open_again((int)object->native, O_RDONLY);
    if (fd < 0)
        return errno;
    if (fstat(fd, &stat) == 0 &&
        shmap__posix_identifies(object->identity, &stat))
        error = keep(object, fd, tag);
    else
        error = EBADF; /* Other code of the program closed the region's
                          descriptor. */
    shmap__posix_close_quietly(fd);
    SHMAP__STOP("presence.known");
    return error;
}

void shmap__posix_presence_end(shmap__os_object *object)
{
    if (is_present(object))
        munmap(object->presence, object->page_size);
    object->presence = NULL;
}

/* Return whether an error passes. */
static bool is_passing(int error)
{
    return error == EMFILE || error == ENFILE;
}

/* Take the tag's lock in the regions of all views. Returns 0, or the errno of a
 * region where that failed: one that passes, if there is one. */
static int become_present_everywhere(uint32_t tag)
{
    int failed = 0;

    for (unsigned i = 0; i < LISTS; i++) {
        for (shmap__os_known_view *view = lists[i]; view != NULL;
             view = view->next) {
            shmap__os_object *object = view->object;

            if (view->settled || !view->writable)
                continue;
            if (object->presence_denied == 0 ||
                is_passing(object->presence_denied))
                object->presence_denied = become_present(object, tag);
            view->settled = object->presence_denied == 0;
            if (failed == 0 || is_passing(object->presence_denied))
                failed = object->presence_denied;
        }
    }
    return failed;
}

static void end_everywhere(void)
{
    for (unsigned i = 0; i < LISTS; i++) {
        for (shmap__os_known_view *view = lists[i]; view != NULL;
             view = view->next) {
            if (!view->writable)
                continue;
            shmap__posix_presence_end(view->object);
            view->object->presence_denied = 0;
            view->settled = false;
        }
    }
}

int shmap__posix_presence_begin(uint32_t *tag)
{
    int failed;

    shmap__posix_views_lock();
    end_everywhere(); /* Of what a parent was refused. */
    failed = become_present_everywhere(*tag);
    if (failed == 0)
        own_tag = *tag;
    else
        end_everywhere();
    shmap__posix_views_unlock();
    if (failed != 0)
        *tag = 0;
    return is_passing(failed) ? failed : 0;
}

void shmap__posix_presence_forget(void)
{
    own_tag = 0;
    shmap__os_unsettled = 0;
}

shmap__os_status shmap__os_settle(const void *object)
{
    const shmap__os_known_view *view;
    int denied;

    shmap__posix_fork_lock();
    shmap__posix_views_lock();
    denied = become_present_everywhere(own_tag);
    if (denied == 0)
        shmap__store32(&shmap__os_unsettled, 0);
    view = find_view(object);
    denied = view == NULL ? 0 : view->object->presence_denied;
    shmap__posix_views_unlock();
    shmap__posix_fork_unlock();
    if (denied == 0)
        return shmap__posix_done;
    if (is_passing(denied))
        return shmap__posix_failed(denied);
    return (shmap__os_status){
        SHMAP_ENOTSUP, denied,
        "the region cannot be opened anew and locked by this process, so that "
        "others could not tell whether the process lives"};
}

enum shmap__os_life shmap__posix_presence_of(const void *word, uint32_t tag)
{
    enum shmap__os_life life = SHMAP__OS_LIFE_UNKNOWN;
    const shmap__os_known_view *view;
    struct stat stat;

    shmap__posix_views_lock();
    view = find_view(word);
    if (view != NULL) {
        const shmap__os_object *object = view->object;
        short lock =
            shmap__posix_locked((int)object->native, first_byte + (off_t)tag);

        /* If the descriptor is another file's by now, or the system refuses to
         * tell, that says nothing. */
        if (lock >= 0 && shmap__posix_still_ours(object, &stat))
            life = lock == F_UNLCK ? SHMAP__OS_DEAD : SHMAP__OS_ALIVE;
    }
    shmap__posix_views_unlock();
    return life;
}
