/* kensho's first-boot service: runs firstboot.cmd, which lies beside it, and ends.
 *
 * Copyright the kensho authors. Licensed under the Apache License, Version 2.0; see LICENSE.
 *
 * As a service, or from a console (where no service manager answers), it runs
 *     cmd.exe /d /c "FOLDER\firstboot.cmd"
 * in its own folder, with what that says appended to FOLDER\firstboot.log. firstboot.cmd does the
 * rest, the removal of the service included. Exit code: that of the script; 1 when it did not start.
 *
 * Only what Windows XP has is called, and no C library, so that one source serves XP to 11.
 * Sources: "Writing a Service Program's main Function" and "Writing a ServiceMain Function"
 * (https://learn.microsoft.com/windows/win32/services/service-programs), "File System Redirector".
 * Built by build.py, byte for byte the same each time.
 */
#define WIN32_LEAN_AND_MEAN
#define UNICODE
#define _WIN32_WINNT 0x0501
#include <windows.h>

#define ROOM 1024 /* characters of a path; longer ones are refused */

static WCHAR service_name[] = L"kensho-firstboot";
static SERVICE_STATUS status;
static SERVICE_STATUS_HANDLE manager;
static HANDLE stop_wanted;

static BOOL append(WCHAR *to, const WCHAR *text) {
    int length = lstrlenW(to);
    if (length + lstrlenW(text) >= ROOM)
        return FALSE;
    lstrcpyW(to + length, text);
    return TRUE;
}

/* The folder that this program lies in, with a backslash at its end. */
static BOOL own_folder(WCHAR *folder) {
    DWORD length = GetModuleFileNameW(NULL, folder, ROOM);
    if (length == 0 || length >= ROOM)
        return FALSE;
    while (length > 0 && folder[length - 1] != L'\\')
        length--;
    folder[length] = 0;
    return length > 0;
}

/* The system's own cmd.exe: a 32-bit program on a 64-bit Windows finds it by the name Sysnative. */
static BOOL find_cmd(WCHAR *path) {
    UINT length = GetWindowsDirectoryW(path, ROOM);
    if (length == 0 || length >= ROOM - 32)
        return FALSE;
#ifndef _WIN64
    lstrcpyW(path + length, L"\\Sysnative\\cmd.exe");
    if (GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES)
        return TRUE;
#endif
    lstrcpyW(path + length, L"\\System32\\cmd.exe");
    return TRUE;
}

static DWORD run(void) {
    static WCHAR folder[ROOM], cmd[ROOM], line[ROOM], log[ROOM];
    static STARTUPINFOW start;
    static PROCESS_INFORMATION process;
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE wait_for[2];
    DWORD code = 1;

    if (!own_folder(folder) || !find_cmd(cmd))
        return 1;
    /* cmd takes off the outer pair of quotes and keeps the inner one. */
    if (!append(line, L"\"") || !append(line, cmd) || !append(line, L"\" /d /c \"\"") ||
        !append(line, folder) || !append(line, L"firstboot.cmd\"\""))
        return 1;
    if (!append(log, folder) || !append(log, L"firstboot.log"))
        return 1;

    start.cb = sizeof start;
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                  &inherited, OPEN_EXISTING, 0, NULL);
    start.hStdOutput = CreateFileW(log, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                   &inherited, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    start.hStdError = start.hStdOutput;
    if (!CreateProcessW(cmd, line, NULL, NULL, TRUE, CREATE_NO_WINDOW, NULL, folder, &start,
                        &process))
        return 1;
    wait_for[0] = process.hProcess;
    wait_for[1] = stop_wanted;
    /* Asked to stop, the script is left alone: it is what shuts Windows down, or it runs again. */
    if (WaitForMultipleObjects(stop_wanted ? 2 : 1, wait_for, FALSE, INFINITE) == WAIT_OBJECT_0)
        GetExitCodeProcess(process.hProcess, &code);
    return code;
}

static void tell(DWORD state, DWORD code) {
    status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    status.dwCurrentState = state;
    status.dwControlsAccepted =
        state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN : 0;
    status.dwWin32ExitCode = code ? ERROR_SERVICE_SPECIFIC_ERROR : NO_ERROR;
    status.dwServiceSpecificExitCode = code;
    status.dwWaitHint = state == SERVICE_STOP_PENDING ? 5000 : 0;
    SetServiceStatus(manager, &status);
}

static DWORD WINAPI control(DWORD what, DWORD type, void *data, void *context) {
    (void)type, (void)data, (void)context;
    if (what == SERVICE_CONTROL_STOP || what == SERVICE_CONTROL_SHUTDOWN) {
        tell(SERVICE_STOP_PENDING, 0);
        SetEvent(stop_wanted);
        return NO_ERROR;
    }
    return what == SERVICE_CONTROL_INTERROGATE ? NO_ERROR : ERROR_CALL_NOT_IMPLEMENTED;
}

static void WINAPI service_main(DWORD count, WCHAR **words) {
    (void)count, (void)words;
    manager = RegisterServiceCtrlHandlerExW(service_name, control, NULL);
    if (!manager)
        return;
    stop_wanted = CreateEventW(NULL, TRUE, FALSE, NULL);
    tell(SERVICE_RUNNING, 0);
    tell(SERVICE_STOPPED, run());
}

/* The entry point itself: there is no C library to call a main function. */
void start(void) {
    SERVICE_TABLE_ENTRYW table[] = {{service_name, service_main}, {NULL, NULL}};
    if (StartServiceCtrlDispatcherW(table))
        ExitProcess(0);
    ExitProcess(GetLastError() == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT ? run() : 1);
}
