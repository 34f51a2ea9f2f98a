/* SPDX-License-Identifier: MIT */

/* Boost.Interprocess: shared_memory_object and mapped_region. */
#include "peer.h"

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>

using boost::interprocess::create_only;
using boost::interprocess::interprocess_exception;
using boost::interprocess::mapped_region;
using boost::interprocess::offset_t;
using boost::interprocess::open_only;
using boost::interprocess::read_write;
using boost::interprocess::shared_memory_object;

static shared_memory_object object;
static mapped_region view;

static void *map()
{
    mapped_region(object, read_write).swap(view);
    return view.get_address();
}

static void *create(const char *name, size_t size)
{
    try {
        shared_memory_object(create_only, name, read_write).swap(object);
        object.truncate(static_cast<offset_t>(size));
        return map();
    } catch (const interprocess_exception &) {
        return nullptr;
    }
}

static void *open(const char *name, size_t)
{
    try {
        shared_memory_object(open_only, name, read_write).swap(object);
        return map();
    } catch (const interprocess_exception &) {
        return nullptr;
    }
}

static void close()
{
    mapped_region().swap(view);
    shared_memory_object().swap(object);
}

static void destroy(const char *name)
{
    close();
    shared_memory_object::remove(name);
}

extern "C" const bench_peer bench_boost = {
    "boost", create, destroy, open, close,
};
