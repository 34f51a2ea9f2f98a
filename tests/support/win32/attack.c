/* SPDX-License-Identifier: MIT */

/* Ways to write to what one may only read, Windows. */

#include "../attack.h"

#include "win32/api.h"

typedef LONG(NTAPI *map_view)(HANDLE section, HANDLE process, void **base,
                              ULONG_PTR zero_bits, SIZE_T commit,
                              LARGE_INTEGER *offset, SIZE_T *size,
                              DWORD inherit, ULONG type, ULONG protection);

static enum attack_result worked(bool done)
{
    return done ? ATTACK_WORKED : ATTACK_REFUSED;
}

/* Have the kernel write to an address, which no exception follows. */
static bool poke(void *address)
{
    HANDLE from, to;
    DWORD count = 0;
    if (!CreatePipe(&from, &to, NULL, 0))
        return false;
    bool done = WriteFile(to, ATTACK_TEXT, sizeof ATTACK_TEXT, &count, NULL) &&
                ReadFile(from, address, sizeof ATTACK_TEXT, &count, NULL) &&
                count > 0;
    CloseHandle(from);
    CloseHandle(to);
    return done;
}

static bool is_writable(const void *address)
{
    return memory_probe(address) == MEMORY_WRITABLE;
}

/* Merely to have a writable view is too much. */
static bool map_through(HANDLE section, DWORD access)
{
    void *view = MapViewOfFile(section, access, 0, 0, 0);
    if (view == NULL)
        return false;
    bool done = is_writable(view);
    if (done)
        poke(view);
    UnmapViewOfFile(view);
    return done;
}

static bool map_natively(HANDLE section, ULONG protection)
{
    enum { UNMAP = 2 /* ViewUnmap */ };
    map_view function = (map_view)(void (*)(void))GetProcAddress(
        GetModuleHandleW(L"ntdll.dll"), "NtMapViewOfSection");
    void *view = NULL;
    SIZE_T size = 0;
    if (function == NULL || function(section, GetCurrentProcess(), &view, 0, 0,
                                     NULL, &size, UNMAP, 0, protection) < 0)
        return false;
    bool done = is_writable(view);
    if (done)
        poke(view);
    UnmapViewOfFile(view);
    return done;
}

/* A view for reading that becomes one for writing. */
static bool protect(void *view, size_t size, DWORD protection)
{
    DWORD before;
    if (!VirtualProtect(view, size, protection, &before))
        return false;
    bool done = is_writable(view);
    if (done)
        poke(view);
    VirtualProtect(view, size, before, &before);
    return done;
}

static bool protect_through(HANDLE section, DWORD protection)
{
    void *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    if (view == NULL)
        return false;
    bool done = protect(view, os_page_size(), protection);
    UnmapViewOfFile(view);
    return done;
}

/* What can be done with a section, however one came by it. */
static bool use(HANDLE section)
{
    bool done = map_through(section, FILE_MAP_READ | FILE_MAP_WRITE);
    done = map_through(section, FILE_MAP_WRITE) || done;
    done = map_through(section, FILE_MAP_ALL_ACCESS) || done;
    done = map_natively(section, PAGE_READWRITE) || done;
    done = protect_through(section, PAGE_READWRITE) || done;
    return done;
}

/* A further handle, with these rights. */
static enum attack_result by_copy(const struct attack_on *on, DWORD access,
                                  DWORD options)
{
    HANDLE copy = NULL;
    HANDLE self = GetCurrentProcess();
    if (!DuplicateHandle(self, (HANDLE)on->native, self, &copy, access, FALSE,
                         options))
        return ATTACK_REFUSED;
    bool done = use(copy);
    CloseHandle(copy);
    return worked(done);
}

static enum attack_result by_handle(const struct attack_on *on)
{
    return worked(use((HANDLE)on->native));
}

static enum attack_result by_same_copy(const struct attack_on *on)
{
    return by_copy(on, 0, DUPLICATE_SAME_ACCESS);
}

static enum attack_result by_writing_copy(const struct attack_on *on)
{
    return by_copy(on, SECTION_MAP_READ | SECTION_MAP_WRITE | SECTION_QUERY, 0);
}

static enum attack_result by_full_copy(const struct attack_on *on)
{
    return by_copy(on, SECTION_ALL_ACCESS, 0);
}

static enum attack_result by_greatest_copy(const struct attack_on *on)
{
    return by_copy(on, MAXIMUM_ALLOWED, 0);
}

static enum attack_result by_generic_copy(const struct attack_on *on)
{
    return by_copy(on, GENERIC_READ | GENERIC_WRITE, 0);
}

/* Let everybody in first, as an owner may. */
static enum attack_result by_changing_rights(const struct attack_on *on)
{
    SECURITY_DESCRIPTOR nothing;
    HANDLE copy = NULL;
    HANDLE self = GetCurrentProcess();
    /* Wine lets owners change what they have denied to themselves. */
    if (os_is_emulated())
        return ATTACK_ABSENT;
    InitializeSecurityDescriptor(&nothing, SECURITY_DESCRIPTOR_REVISION);
    SetSecurityDescriptorDacl(&nothing, TRUE, NULL, FALSE);
    bool changed = SetKernelObjectSecurity((HANDLE)on->native,
                                           DACL_SECURITY_INFORMATION, &nothing);
    if (DuplicateHandle(self, (HANDLE)on->native, self, &copy,
                        WRITE_DAC | WRITE_OWNER, FALSE, 0)) {
        changed = SetKernelObjectSecurity(copy, DACL_SECURITY_INFORMATION,
                                          &nothing) ||
                  changed;
        CloseHandle(copy);
    }
    return changed ? by_full_copy(on) : ATTACK_REFUSED;
}

/* Through the view. */

static enum attack_result by_read_into_view(const struct attack_on *on)
{
    return worked(poke(on->data));
}

static enum attack_result by_protection(const struct attack_on *on)
{
    return worked(protect(on->data, on->size, PAGE_READWRITE));
}

static enum attack_result by_executable_protection(const struct attack_on *on)
{
    return worked(protect(on->data, on->size, PAGE_EXECUTE_READWRITE));
}

/* A page of one's own is nobody else's; but Wine has the view's protection
 * changed, and the page stays everybody's. */
static enum attack_result by_private_protection(const struct attack_on *on)
{
    if (os_is_emulated())
        return ATTACK_ABSENT;
    protect_through((HANDLE)on->native, PAGE_WRITECOPY);
    return ATTACK_REFUSED;
}

static enum attack_result by_committing(const struct attack_on *on)
{
    bool done =
        VirtualAlloc(on->data, on->size, MEM_COMMIT, PAGE_READWRITE) != NULL &&
        is_writable(on->data);
    if (done)
        poke(on->data);
    return worked(done);
}

static enum attack_result by_process_write(const struct attack_on *on)
{
    SIZE_T count = 0;
    return worked(WriteProcessMemory(GetCurrentProcess(), on->data, ATTACK_TEXT,
                                     sizeof ATTACK_TEXT, &count) &&
                  count > 0);
}

static enum attack_result by_private_view(const struct attack_on *on)
{
    map_through((HANDLE)on->native, FILE_MAP_COPY);
    return ATTACK_REFUSED;
}

static const struct {
    const char *name;
    enum attack_result (*run)(const struct attack_on *on);
    bool able;
} attacks[] = {
    {"the handle itself", by_handle, true},
    {"DuplicateHandle", by_same_copy, true},
    {"DuplicateHandle for writing", by_writing_copy, true},
    {"DuplicateHandle for everything", by_full_copy, false},
    {"DuplicateHandle for whatever there is", by_greatest_copy, false},
    {"DuplicateHandle for generic rights", by_generic_copy, true},
    {"SetKernelObjectSecurity", by_changing_rights, false},
    {"ReadFile into the view", by_read_into_view, false},
    {"VirtualProtect", by_protection, false},
    {"VirtualProtect, executable", by_executable_protection, false},
    {"VirtualProtect, private", by_private_protection, false},
    {"VirtualAlloc", by_committing, false},
    {"WriteProcessMemory", by_process_write, false},
    {"a private view", by_private_view, false},
};

size_t attack_count(void)
{
    return COUNT(attacks);
}

const char *attack_name(size_t index)
{
    return attacks[index].name;
}

enum attack_result attack_try(size_t index, const struct attack_on *on)
{
    return attacks[index].run(on);
}

bool attack_is_able(size_t index)
{
    return attacks[index].able;
}

/* Sections have one size. */
bool attack_cut(intptr_t native)
{
    (void)native;
    return false;
}

bool attack_extend(intptr_t native, uint64_t size)
{
    (void)native, (void)size;
    return false;
}

const struct attack_facts *attack_facts(void)
{
    static const struct attack_facts facts = {
        .reads_only = true,
        .takes_turns = false,
        .must_live = false,
        .seals = SHMAP_SEAL_GROW | SHMAP_SEAL_SHRINK | SHMAP_SEAL_WRITERS,
        .first_seals = SHMAP_SEAL_GROW | SHMAP_SEAL_SHRINK,
    };
    return &facts;
}

intptr_t attack_make_thing(enum attack_thing thing)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE handle = NULL;
    HANDLE other = NULL;
    switch (thing) {
    case ATTACK_DIRECTORY:
        handle = CreateFileW(L".", GENERIC_READ, FILE_SHARE_READ, &inherited,
                             OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
        break;
    case ATTACK_FIFO:
        if (CreatePipe(&handle, &other, &inherited, 0))
            CloseHandle(other);
        break;
    case ATTACK_EVENT:
        handle = CreateEventW(&inherited, TRUE, FALSE, NULL);
        break;
    default:
        break;
    }
    return handle == NULL || handle == INVALID_HANDLE_VALUE ? -1
                                                            : (intptr_t)handle;
}

bool attack_be_stream(int stream, const char *path)
{
    (void)stream, (void)path;
    return false;
}

intptr_t attack_memory(uint64_t size, bool sealable)
{
    (void)size, (void)sealable;
    return -1;
}

bool attack_set_variable(const char *name, const char *value)
{
    return SetEnvironmentVariableA(name, value) != 0;
}

int64_t attack_no_process(void)
{
    /* Numbers are multiples of four, but OpenProcess forgives that. */
    return 0x7ffffff0;
}

bool attack_is_gone(int process)
{
    HANDLE handle = OpenProcess(SYNCHRONIZE, FALSE, (DWORD)process);
    if (handle == NULL)
        return true;
    bool gone = WaitForSingleObject(handle, 0) == WAIT_OBJECT_0;
    CloseHandle(handle);
    return gone;
}

intptr_t attack_look_at(const char *path)
{
    (void)path;
    return -1;
}

bool attack_drop_locks(intptr_t native)
{
    (void)native;
    return false;
}
