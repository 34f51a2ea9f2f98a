/* SPDX-License-Identifier: MIT */

/* The system's own calls behind the library's back, Windows. Kernel objects
 * vanish with their last handle, so what is planted is held by its handle. */

#include "../support.h"

#include "win32/api.h"

#include <sddl.h>

#define CHARACTERS 512

static const wchar_t *wide(wchar_t *out, const char *name)
{
    if (MultiByteToWideChar(CP_UTF8, 0, name, -1, out, CHARACTERS) == 0)
        out[0] = L'\0';
    return out;
}

static HANDLE as_handle(intptr_t handle)
{
    return (HANDLE)handle;
}

/* A section without a single committed page is how one that nobody has sized
 * yet looks here. */
static HANDLE plant_section(const wchar_t *name, uint64_t size, DWORD flags)
{
    HANDLE handle = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, flags,
                                       (DWORD)(size >> 32), (DWORD)size, name);
    if (handle != NULL && GetLastError() == ERROR_ALREADY_EXISTS) {
        CloseHandle(handle);
        handle = NULL;
    }
    return handle;
}

/* Of this program's own file, since Wine lets others be written. */
static HANDLE plant_for_reading(const wchar_t *name)
{
    wchar_t path[CHARACTERS];
    GetModuleFileNameW(NULL, path, CHARACTERS);
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL,
                              OPEN_EXISTING, 0, NULL);
    HANDLE handle = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, name);
    CloseHandle(file);
    return handle;
}

intptr_t raw_plant(const char *os_name, enum raw_kind kind, uint64_t size,
                   unsigned mode)
{
    wchar_t name[CHARACTERS];
    HANDLE handle = NULL;
    wide(name, os_name);
    switch (kind) {
    case RAW_REGION:
        handle = mode == 0400 ? plant_for_reading(name)
                              : plant_section(name, size, PAGE_READWRITE);
        break;
    case RAW_EMPTY:
        handle = plant_section(name, 1 << 20, PAGE_READWRITE | SEC_RESERVE);
        break;
    case RAW_MUTEX:
        handle = CreateMutexW(NULL, FALSE, name);
        break;
    case RAW_FIFO:
    case RAW_DIRECTORY:
    case RAW_SYMLINK:
        break;
    }
    return handle == NULL ? -1 : (intptr_t)handle;
}

/* One may give away what one makes only with this privilege. */
static void enable_restoring(void)
{
    TOKEN_PRIVILEGES privileges = {1, {{{0, 0}, SE_PRIVILEGE_ENABLED}}};
    HANDLE token;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token))
        return;
    if (LookupPrivilegeValueW(NULL, L"SeRestorePrivilege",
                              &privileges.Privileges[0].Luid))
        AdjustTokenPrivileges(token, FALSE, &privileges, 0, NULL, NULL);
    CloseHandle(token);
}

intptr_t raw_plant_of_another(const char *os_name, uint64_t size)
{
    wchar_t name[CHARACTERS];
    SECURITY_ATTRIBUTES security = {sizeof security, NULL, FALSE};
    enable_restoring();
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
            L"O:BUD:(A;;GA;;;WD)", SDDL_REVISION_1,
            &security.lpSecurityDescriptor, NULL))
        return -1;
    HANDLE handle = CreateFileMappingW(INVALID_HANDLE_VALUE, &security,
                                       PAGE_READWRITE, (DWORD)(size >> 32),
                                       (DWORD)size, wide(name, os_name));
    LocalFree(security.lpSecurityDescriptor);
    return handle == NULL ? -1 : (intptr_t)handle;
}

bool raw_can_plant(enum raw_kind kind)
{
    return kind == RAW_REGION || kind == RAW_EMPTY || kind == RAW_MUTEX;
}

intptr_t raw_open(const char *os_name)
{
    wchar_t name[CHARACTERS];
    HANDLE handle = OpenFileMappingW(FILE_MAP_READ | FILE_MAP_WRITE, FALSE,
                                     wide(name, os_name));
    return handle == NULL ? -1 : (intptr_t)handle;
}

void raw_close(intptr_t handle)
{
    if (handle > 0)
        CloseHandle(as_handle(handle));
}

static bool copy(intptr_t handle, uint64_t offset, void *data, size_t size,
                 bool write)
{
    char *view = MapViewOfFile(as_handle(handle),
                               FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
    if (view == NULL)
        return false;
    if (write)
        memcpy(view + offset, data, size);
    else
        memcpy(data, view + offset, size);
    UnmapViewOfFile(view);
    return true;
}

bool raw_read(intptr_t handle, uint64_t offset, void *data, size_t size)
{
    return copy(handle, offset, data, size, false);
}

bool raw_write(intptr_t handle, uint64_t offset, const void *data, size_t size)
{
    return copy(handle, offset, (void *)(uintptr_t)data, size, true);
}

bool raw_resize(intptr_t handle, uint64_t size)
{
    /* Committing pages is all that a section's size can do. */
    void *view = MapViewOfFile(as_handle(handle),
                               FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
    bool done = view != NULL && VirtualAlloc(view, (SIZE_T)size, MEM_COMMIT,
                                             PAGE_READWRITE) != NULL;
    if (view != NULL)
        UnmapViewOfFile(view);
    return done;
}

static bool exists(const wchar_t *name)
{
    HANDLE handle = OpenFileMappingW(FILE_MAP_READ, FALSE, name);
    if (handle == NULL)
        /* Of another kind, or not for us: there all the same. */
        return GetLastError() != ERROR_FILE_NOT_FOUND;
    CloseHandle(handle);
    return true;
}

bool raw_exists(const char *os_name)
{
    wchar_t name[CHARACTERS];
    return exists(wide(name, os_name));
}

uint64_t raw_size(const char *os_name)
{
    wchar_t name[CHARACTERS];
    HANDLE handle = OpenFileMappingW(FILE_MAP_READ, FALSE, wide(name, os_name));
    if (handle == NULL)
        return 0;
    MEMORY_BASIC_INFORMATION info = {0};
    void *view = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0);
    if (view != NULL) {
        VirtualQuery(view, &info, sizeof info);
        UnmapViewOfFile(view);
    }
    CloseHandle(handle);
    return info.RegionSize;
}

unsigned raw_mode(const char *os_name)
{
    (void)os_name;
    return 0;
}

bool raw_set_mode(const char *os_name, unsigned mode)
{
    (void)os_name;
    (void)mode;
    return false;
}

bool raw_remove(const char *os_name)
{
    (void)os_name;
    return false;
}

bool raw_hard_link(const char *os_name, const char *second)
{
    (void)os_name;
    (void)second;
    return false;
}

bool raw_touch(intptr_t handle)
{
    (void)handle;
    return false;
}

bool raw_hold(intptr_t handle)
{
    return handle > 0;
}

bool raw_is_held(const char *os_name)
{
    return raw_exists(os_name);
}

unsigned raw_count(const char *os_name_prefix)
{
    (void)os_name_prefix;
    return 0;
}

/* What somebody may do, in words. */
static const char *word_of(DWORD mask)
{
    static const struct {
        DWORD mask;
        const char *word;
    } words[] = {
        {SECTION_ALL_ACCESS, "all"},
        {SECTION_QUERY | SECTION_MAP_READ | READ_CONTROL, "read"},
        {SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_WRITE | READ_CONTROL,
         "write"},
        {FILE_ALL_ACCESS, "all"},
        {FILE_GENERIC_READ, "read"},
        {FILE_GENERIC_READ | FILE_GENERIC_WRITE, "write"},
        {SYNCHRONIZE | READ_CONTROL, "sleep"},
        {SYNCHRONIZE | READ_CONTROL | SEMAPHORE_MODIFY_STATE, "sleep and wake"},
    };
    static char hex[16];
    for (size_t i = 0; i < COUNT(words); i++)
        if (words[i].mask == mask)
            return words[i].word;
    snprintf(hex, sizeof hex, "0x%lx", (unsigned long)mask);
    return hex;
}

static bool is_user(PSID sid)
{
    union {
        TOKEN_USER user;
        BYTE space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } token;
    HANDLE handle = NULL;
    DWORD size;
    memset(&token, 0, sizeof token);
    OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &handle);
    GetTokenInformation(handle, TokenUser, &token, sizeof token, &size);
    CloseHandle(handle);
    return sid != NULL && token.user.User.Sid != NULL &&
           EqualSid(sid, token.user.User.Sid);
}

/* Whose entry it is: that of the user who runs this, or of whoever is the
 * owner, everyone's, or a SID. */
static void add_who(char *out, PSID sid)
{
    char *text = NULL;
    if (!ConvertSidToStringSidA(sid, &text))
        return;
    if (is_user(sid) || strcmp(text, "S-1-3-4") == 0)
        strcat(out, "owner");
    else if (IsWellKnownSid(sid, WinWorldSid))
        strcat(out, "everyone");
    else
        strncat(out, text, 100);
    LocalFree(text);
}

static void add_entry(char *out, ACCESS_ALLOWED_ACE *entry)
{
    if (strlen(out) > RIGHTS_ROOM - 150)
        return;
    if (*out != '\0')
        strcat(out, ", ");
    if (entry->Header.AceType != ACCESS_ALLOWED_ACE_TYPE)
        strcat(out, "not allowed: ");
    if (entry->Header.AceFlags != 0)
        strcat(out, "flagged: ");
    add_who(out, (PSID)&entry->SidStart);
    strcat(out, " ");
    strcat(out, word_of(entry->Mask));
}

static bool is_of_system(ACCESS_ALLOWED_ACE *entry)
{
    PSID sid = (PSID)&entry->SidStart;
    return entry->Header.AceType == ACCESS_ALLOWED_ACE_TYPE &&
           entry->Header.AceFlags == 0 &&
           (IsWellKnownSid(sid, WinLocalSystemSid) ||
            IsWellKnownSid(sid, WinBuiltinAdministratorsSid));
}

/* How many accounts of the system may do what the first entry lets do. */
static DWORD count_of_system(ACL *acl)
{
    ACCESS_ALLOWED_ACE *first;
    ACCESS_ALLOWED_ACE *entry;
    DWORD count = 0;
    for (DWORD i = 0; acl != NULL && i < acl->AceCount; i++)
        if (GetAce(acl, 0, (void **)&first) &&
            GetAce(acl, i, (void **)&entry) && is_of_system(entry) &&
            entry->Mask == first->Mask)
            ++count;
    return count;
}

/* Wine keeps mode bits of files instead of lists, and says besides that the
 * system may do everything. */
static bool is_made_up(ACCESS_ALLOWED_ACE *entry)
{
    return os_is_emulated() &&
           IsWellKnownSid((PSID)&entry->SidStart, WinLocalSystemSid);
}

/* Who may write, processes of low integrity may if everyone may. Wine keeps no
 * labels. */
static bool has_right_label(PSECURITY_DESCRIPTOR descriptor, const char *rights)
{
    ACL *list = NULL;
    BOOL present = FALSE;
    BOOL defaulted;
    SYSTEM_MANDATORY_LABEL_ACE *label = NULL;
    char *text = NULL;
    bool low = false;
    if (os_is_emulated())
        return true;
    if (GetSecurityDescriptorSacl(descriptor, &present, &list, &defaulted) &&
        present && list != NULL && GetAce(list, 0, (void **)&label) &&
        ConvertSidToStringSidA((PSID)&label->SidStart, &text)) {
        low = strcmp(text, "S-1-16-4096") == 0 &&
              label->Mask == SYSTEM_MANDATORY_LABEL_NO_WRITE_UP;
        LocalFree(text);
    }
    return low == (strstr(rights, "everyone write") != NULL ||
                   strstr(rights, "everyone sleep and wake") != NULL);
}

void raw_rights(char *out, intptr_t handle)
{
    union {
        SECURITY_DESCRIPTOR descriptor;
        BYTE space[2048];
    } security;
    ACL *acl = NULL;
    PSID owner = NULL;
    BOOL present;
    BOOL defaulted;
    DWORD needed;
    *out = '\0';
    if (!GetKernelObjectSecurity(
            as_handle(handle),
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION |
                LABEL_SECURITY_INFORMATION,
            &security.descriptor, sizeof security, &needed) ||
        !GetSecurityDescriptorOwner(&security.descriptor, &owner, &defaulted) ||
        !GetSecurityDescriptorDacl(&security.descriptor, &present, &acl,
                                   &defaulted))
        snprintf(out, RIGHTS_ROOM, "error %lu", (unsigned long)GetLastError());
    else if (!is_user(owner))
        snprintf(out, RIGHTS_ROOM, "another owner");
    else if (!present || acl == NULL)
        snprintf(out, RIGHTS_ROOM, "no list");
    /* Root's rights are in no mode bits either. */
    bool lacks_system = count_of_system(acl) != 2;
    for (DWORD i = 0; acl != NULL && i < acl->AceCount; i++) {
        void *entry;
        if (GetAce(acl, i, &entry) && !is_made_up(entry) &&
            (lacks_system || !is_of_system(entry)))
            add_entry(out, entry);
    }
    if (acl != NULL && !has_right_label(&security.descriptor, out))
        strcat(out, ", label");
}

bool raw_lets_system(intptr_t handle)
{
    union {
        SECURITY_DESCRIPTOR descriptor;
        BYTE space[2048];
    } security;
    ACL *acl = NULL;
    BOOL present;
    BOOL defaulted;
    DWORD needed;
    return GetKernelObjectSecurity(as_handle(handle), DACL_SECURITY_INFORMATION,
                                   &security.descriptor, sizeof security,
                                   &needed) &&
           GetSecurityDescriptorDacl(&security.descriptor, &present, &acl,
                                     &defaulted) &&
           present && count_of_system(acl) == 2;
}

const char *raw_anonymous_rights(void)
{
    return "read";
}

/* As the library names what waiters sleep on. */
intptr_t raw_open_waiting(const shmap_waiters *waiters)
{
    wchar_t name[64];
    _snwprintf(name, COUNT(name), L"Global\\shmap.wait.%012llx",
               (unsigned long long)(waiters->who_ >> 16));
    HANDLE handle = OpenSemaphoreW(READ_CONTROL, FALSE, name);
    return handle == NULL ? -1 : (intptr_t)handle;
}

bool raw_block(intptr_t handle)
{
    (void)handle;
    return false;
}

bool raw_has_small_times(const char *os_name)
{
    (void)os_name;
    return true;
}

bool raw_hinder(const char *os_name)
{
    (void)os_name;
    return false;
}

bool raw_find_group(char *name, char *number)
{
    union {
        SID sid;
        BYTE space[SECURITY_MAX_SID_SIZE];
    } id;
    DWORD size = sizeof id;
    char domain[NAME_ROOM];
    DWORD room = NAME_ROOM;
    DWORD domain_room = sizeof domain;
    SID_NAME_USE use;
    char *text;
    if (!CreateWellKnownSid(WinBuiltinUsersSid, NULL, &id.sid, &size) ||
        !LookupAccountSidA(NULL, &id.sid, name, &room, domain, &domain_room,
                           &use) ||
        !ConvertSidToStringSidA(&id.sid, &text))
        return false;
    snprintf(number, NAME_ROOM, "%s", text);
    LocalFree(text);
    return true;
}

bool raw_take_turn(intptr_t handle)
{
    (void)handle;
    return false;
}
