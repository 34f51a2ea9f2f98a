/* SPDX-License-Identifier: MIT */

/* Users: finding the user of an object, and whether the caller accepts that
 * user. */
#include "win32/os.h"

#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* Open the user's token: the thread's if it acts for another user, else the
 * process's. */
static DWORD open_token(HANDLE *token)
{
    DWORD error;

    if (OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, token))
        return ERROR_SUCCESS;
    error = GetLastError();
    if (error != ERROR_NO_TOKEN)
        return error;
    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, token))
        return ERROR_SUCCESS;
    return GetLastError();
}

static DWORD query_token(TOKEN_INFORMATION_CLASS what, void *out, DWORD size)
{
    HANDLE token;
    DWORD error = open_token(&token);
    DWORD written;

    if (error != ERROR_SUCCESS)
        return error;
    if (!GetTokenInformation(token, what, out, size, &written))
        error = GetLastError();
    CloseHandle(token);
    return error;
}

DWORD shmap__win32_find_user(shmap__win32_user *user)
{
    return query_token(TokenUser, &user->token, sizeof user->token);
}

/* Objects that an elevated process makes with raw calls belong to the owner in
 * its token, which is the group of administrators and not the user. */
static DWORD find_own(PSID owner, bool *own)
{
    shmap__win32_user user;
    union {
        TOKEN_OWNER owner;
        BYTE space[sizeof(TOKEN_OWNER) + SECURITY_MAX_SID_SIZE];
    } token;

    DWORD error = shmap__win32_find_user(&user);

    if (error == ERROR_SUCCESS)
        error = query_token(TokenOwner, &token, sizeof token);
    if (error == ERROR_SUCCESS)
        *own = EqualSid(owner, user.token.user.User.Sid) ||
               EqualSid(owner, token.owner.Owner);
    return error;
}

static bool is_system(PSID owner)
{
    return IsWellKnownSid(owner, WinLocalSystemSid) ||
           IsWellKnownSid(owner, WinBuiltinAdministratorsSid);
}

/* Return a failure because of an object of this account. */
static shmap__os_status belongs_to(int code, DWORD error, PSID account)
{
    static SHMAP__THREAD_LOCAL char words[184 + 1]; /* of the longest SID */
    shmap__os_status status = shmap__win32_failed_as(code, error);
    char *text;

    if (!ConvertSidToStringSidA(account, &text))
        return status;
    snprintf(words, sizeof words, "%s", text);
    LocalFree(text);
    status.reason = SHMAP__OS_OF_ACCOUNT;
    status.detail = words;
    return status;
}

static DWORD look_up(shmap__win32_account *id, const wchar_t *name)
{
    wchar_t domain[256];
    DWORD size = sizeof *id;
    DWORD domain_size = sizeof domain / sizeof domain[0];
    SID_NAME_USE use;

    return LookupAccountNameW(NULL, name, &id->sid, &size, domain, &domain_size,
                              &use)
               ? ERROR_SUCCESS
               : GetLastError();
}

static shmap__os_status no_account(DWORD error, const char *none)
{
    shmap__os_status status = {SHMAP_EINVAL, (int)error, none};

    return status;
}

shmap__os_status shmap__win32_find_account(shmap__win32_account *id,
                                           const char *name, const char *none)
{
    shmap__os_status done = {0, 0};
    wchar_t *wide;
    PSID parsed;
    DWORD error = ERROR_SUCCESS;
    shmap__os_status status = shmap__win32_utf16(&wide, name);

    if (status.code == SHMAP_ENAME)
        return no_account((DWORD)status.system, none);
    if (status.code < 0)
        return status;
    /* The system takes two letters for a SID, too, as "AU" for all that have
     * logged in. Here they are an account's name. */
    if (wcschr(wide, L'-') != NULL && ConvertStringSidToSidW(wide, &parsed)) {
        if (!CopySid(sizeof *id, &id->sid, parsed))
            error = GetLastError();
        LocalFree(parsed);
    } else {
        error = look_up(id, wide);
    }
    free(wide);
    return error == ERROR_SUCCESS ? done : no_account(error, none);
}

shmap__os_status shmap__os_user_find(shmap__os_user *user, const char *name)
{
    shmap__win32_account account;
    shmap__os_status status = shmap__win32_find_account(
        &account, name, "options: no account has the name of `user`");

    if (status.code == 0)
        memcpy(user, &account, sizeof account);
    return status;
}

static shmap__os_status check_account(PSID account,
                                      const shmap__os_request *request)
{
    shmap__os_status done = {0, 0};
    bool own = false;
    DWORD error;

    if (request->options.accept == SHMAP_ACCEPT_USER)
        return EqualSid(account, (PSID)(uintptr_t)&request->user)
                   ? done
                   : belongs_to(SHMAP_EOWNER, 0, account);
    error = find_own(account, &own);
    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    if (own ||
        (request->options.accept == SHMAP_ACCEPT_SYSTEM && is_system(account)))
        return done;
    return belongs_to(SHMAP_EOWNER, 0, account);
}

typedef union owner_security {
    SECURITY_DESCRIPTOR descriptor;
    BYTE space[sizeof(SECURITY_DESCRIPTOR) + SECURITY_MAX_SID_SIZE];
} owner_security;

/* Find the owner, which lies in `security`; NULL if the object has none.
 * Returns 0 or an error. */
static DWORD find_owner(HANDLE handle, owner_security *security, PSID *owner)
{
    BOOL defaulted;
    DWORD needed;

    *owner = NULL;
    if (!GetKernelObjectSecurity(handle, OWNER_SECURITY_INFORMATION,
                                 &security->descriptor, sizeof *security,
                                 &needed) ||
        !GetSecurityDescriptorOwner(&security->descriptor, owner, &defaulted))
        return GetLastError();
    return ERROR_SUCCESS;
}

shmap__os_status shmap__win32_belongs(int code, DWORD error, HANDLE handle)
{
    owner_security security;
    PSID account;

    if (handle == NULL ||
        find_owner(handle, &security, &account) != ERROR_SUCCESS ||
        account == NULL)
        return shmap__win32_failed_as(code, error);
    return belongs_to(code, error, account);
}

shmap__os_status shmap__win32_check_owner(HANDLE handle,
                                          const shmap__os_request *request)
{
    shmap__os_status done = {0, 0};
    owner_security security;
    PSID found;
    DWORD error;

    if (request->options.accept == SHMAP_ACCEPT_ANYBODY)
        return done;
    error = find_owner(handle, &security, &found);
    if (error != ERROR_SUCCESS)
        return shmap__win32_failed(error);
    /* An object without an owner is never accepted as this user's. */
    if (found == NULL || !IsValidSid(found))
        return shmap__win32_failed_as(SHMAP_EOWNER, 0);
    return check_account(found, request);
}

/* Check the user of a token, and close it. */
static shmap__os_status check_token(HANDLE token,
                                    const shmap__os_request *request)
{
    shmap__win32_user user;
    DWORD written;
    DWORD error = ERROR_SUCCESS;

    if (!GetTokenInformation(token, TokenUser, &user.token, sizeof user.token,
                             &written))
        error = GetLastError();
    CloseHandle(token);
    return error == ERROR_SUCCESS
               ? check_account(user.token.user.User.Sid, request)
               : shmap__win32_failed_as(SHMAP_EOWNER, error);
}

shmap__os_status shmap__win32_check_process(DWORD id,
                                            const shmap__os_request *request)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id);
    HANDLE token = NULL;
    DWORD error;

    if (process == NULL)
        return shmap__win32_failed_as(SHMAP_EOWNER, GetLastError());
    OpenProcessToken(process, TOKEN_QUERY, &token);
    error = GetLastError();
    CloseHandle(process);
    return token == NULL ? shmap__win32_failed_as(SHMAP_EOWNER, error)
                         : check_token(token, request);
}

/* The system tells this only by letting a thread act as that user. */
shmap__os_status shmap__win32_check_client(HANDLE pipe,
                                           const shmap__os_request *request)
{
    HANDLE before = NULL;
    HANDLE token = NULL;
    DWORD error = ERROR_SUCCESS;

    if (!OpenThreadToken(GetCurrentThread(), TOKEN_IMPERSONATE, TRUE,
                         &before) &&
        GetLastError() != ERROR_NO_TOKEN)
        return shmap__win32_failed(GetLastError());
    if (!ImpersonateNamedPipeClient(pipe) ||
        !OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token))
        error = GetLastError();
    /* The thread must not go on as another user. */
    if (!SetThreadToken(NULL, before)) {
        error = GetLastError();
        RevertToSelf();
        if (token != NULL)
            CloseHandle(token);
        token = NULL;
    }
    if (before != NULL)
        CloseHandle(before);
    return token == NULL ? shmap__win32_failed_as(SHMAP_EOWNER, error)
                         : check_token(token, request);
}

bool shmap__win32_handle_owner(HANDLE handle, char *out, size_t size)
{
    owner_security security;
    PSID owner;
    char *text;

    if (find_owner(handle, &security, &owner) != ERROR_SUCCESS ||
        owner == NULL || !ConvertSidToStringSidA(owner, &text))
        return false;
    snprintf(out, size, "%s", text);
    LocalFree(text);
    return true;
}

void shmap__os_owner(const shmap__os_object *object, char *out, size_t size)
{
    shmap__win32_handle_owner((HANDLE)object->native, out, size);
}
