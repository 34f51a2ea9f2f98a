/* SPDX-License-Identifier: MIT */

/* Qt: QSharedMemory. The last to detach frees the memory. */
#include "peer.h"

#include <QSharedMemory>
#include <QString>
#include <optional>

static std::optional<QSharedMemory> memory;

static void *create(const char *name, size_t size)
{
    memory.emplace(QString::fromUtf8(name));
    return memory->create(static_cast<qsizetype>(size)) ? memory->data()
                                                        : nullptr;
}

static void *open(const char *name, size_t)
{
    memory.emplace(QString::fromUtf8(name));
    return memory->attach() ? memory->data() : nullptr;
}

static void close()
{
    memory.reset();
}

static void destroy(const char *)
{
    close();
}

extern "C" const bench_peer bench_qt = {
    "qt", create, destroy, open, close,
};
