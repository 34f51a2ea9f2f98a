/* SPDX-License-Identifier: MIT */

/* The same from C++: the header in C++98, and linking to the C functions. */
#include <cstdio>
#include <cstring>

#include <shmap.h>

namespace
{
struct content {
    shmap_mutex mutex;
    char text[8];
};

struct region {
    shmap_region *handle;

    region() : handle(NULL) {}
    ~region()
    {
        shmap_region_close(handle);
    }
};

struct view {
    shmap_view mapped;

    view() : mapped() {}
    ~view()
    {
        shmap_view_unmap(&mapped);
    }
};

int meet(const char *name)
{
    shmap_view_options options = SHMAP_VIEW_OPTIONS_INIT;
    region made;
    region found;
    view in;
    view out;
    int result = shmap_region_create(&made.handle, name, 4096, NULL);

    if (result == 0)
        result = shmap_region_open(&found.handle, name, NULL);
    if (result == 0)
        result = shmap_view_map(&in.mapped, made.handle, &options);
    if (result == 0)
        result = shmap_view_map(&out.mapped, found.handle, NULL);
    if (SHMAP_FAILED(result))
        return result;
    content *first = static_cast<content *>(in.mapped.data);
    content *second = static_cast<content *>(out.mapped.data);
    result = shmap_mutex_lock(&first->mutex, SHMAP_FOREVER);
    if (SHMAP_FAILED(result))
        return result;
    std::memcpy(first->text, "hello", sizeof "hello");
    if (std::strcmp(second->text, "hello") != 0)
        return SHMAP_EFAULT;
    return shmap_mutex_unlock(&second->mutex);
}
} // namespace

int main(int argc, char **argv)
{
    int result = meet(argc > 1 ? argv[1] : "consumer");

    std::printf("shmap %s: %s\n", shmap_version(), shmap_error_name(result));
    return SHMAP_FAILED(result);
}
