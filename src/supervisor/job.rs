//! Job objects of Windows: a handful of processes and all that they start, counted and ended as one.
//!
//! A job ends with its last handle: the system ends whatever is in it then, so that a process of ours
//! that is killed takes its jobs along. A handle is never inherited, or a child would keep the job.
//! Nothing breaks away: jobs lie in each other, and a process that is started by a member is a member.
//! A process that somebody else starts for a member (a service, the task scheduler, WMI) is none.
//!
//! What it deliberately does not do: decide when a job ends, or wait.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _, BorrowedHandle, FromRawHandle as _, OwnedHandle};
use std::path::Path;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_MORE_DATA, ERROR_NO_MORE_FILES, FILETIME, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicAccountingInformation, JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation,
    QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, GetProcessTimes, OpenProcess, OpenThread, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_SET_QUOTA, PROCESS_TERMINATE, QueryFullProcessImageNameW, ResumeThread, THREAD_SUSPEND_RESUME,
};

/// What a process that is ended with its job exits with: what a shell elsewhere says of one that was killed.
pub(super) const ENDED: u32 = 137;

/// Members that are listed; a job that has more is counted all the same.
const LISTED: usize = 1024;

/// The exit code that the system keeps for processes that have none yet.
const STILL_ACTIVE: u32 = 259;

/// The host of a console that a member has opened. It is started by the system, ends with its console, and is
/// nothing that anybody left behind.
const CONSOLE_HOST: &str = "conhost.exe";

/// The system's count of time goes by 100 ns.
const NANOSECONDS_PER_TICK: u64 = 100;

/// A job whose members end when this is dropped.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

/// Members of a job, as the system lists them.
#[repr(C)]
struct Members {
    assigned: u32,
    listed: u32,
    ids: [usize; LISTED],
}

impl Job {
    /// Makes an empty one.
    #[expect(unsafe_code, reason = "the system's calls have no safe form")]
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: both pointers may be null: no name, and a handle that is not inherited.
        let handle = owned(unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) })?;
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        // SAFETY: the handle is open, the pointer is to a variable that outlives the call, and its size is told.
        let set = unsafe {
            SetInformationJobObject(
                handle.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_u32::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>(),
            )
        };
        worked(set)?;
        Ok(Self(handle))
    }

    /// Takes in the process with this id, which must be a child that was not waited for, or its id may be
    /// another's.
    #[expect(unsafe_code, reason = "the system's call has no safe form")]
    pub(super) fn take_in(&self, pid: u32) -> io::Result<()> {
        let process = open(pid, PROCESS_SET_QUOTA | PROCESS_TERMINATE)?;
        // SAFETY: both handles are open.
        worked(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process.as_raw_handle()) })
    }

    /// Ends its members.
    #[expect(unsafe_code, reason = "the system's call has no safe form")]
    pub(super) fn terminate(&self) -> io::Result<()> {
        // SAFETY: the handle is open; the call touches no memory of ours.
        worked(unsafe { TerminateJobObject(self.0.as_raw_handle(), ENDED) })
    }

    /// How many members run.
    pub(super) fn running(&self) -> io::Result<u32> {
        Ok(self.accounting()?.ActiveProcesses)
    }

    /// How many members run that a person would miss: hosts of consoles are left out.
    pub(super) fn worth_a_word(&self) -> io::Result<u32> {
        let hosts = self.members()?.into_iter().filter(|&pid| is_console_host(pid)).count();
        Ok(self.running()?.saturating_sub(u32::try_from(hosts).unwrap_or(u32::MAX)))
    }

    /// The processor time that its members have used, those that have ended included where the system keeps
    /// count of them.
    pub(super) fn used(&self) -> io::Result<Duration> {
        let counted = self.accounting()?;
        let counted = [counted.TotalUserTime, counted.TotalKernelTime];
        let counted = counted.iter().filter_map(|&ticks| u64::try_from(ticks).ok()).sum();
        // Not every system that calls itself Windows keeps the count of a job.
        let running: u64 = self.members()?.into_iter().filter_map(ticks_of).sum();
        Ok(Duration::from_nanos(running.max(counted).saturating_mul(NANOSECONDS_PER_TICK)))
    }

    #[expect(unsafe_code, reason = "the system's call has no safe form")]
    fn accounting(&self) -> io::Result<JOBOBJECT_BASIC_ACCOUNTING_INFORMATION> {
        let mut told = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: the handle is open, the pointer is to a variable that outlives the call, and its size is told.
        let known = unsafe {
            QueryInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut told).cast(),
                size_of_u32::<JOBOBJECT_BASIC_ACCOUNTING_INFORMATION>(),
                std::ptr::null_mut(),
            )
        };
        worked(known).map(|()| told)
    }

    /// The ids of its members, the first ones if there are very many.
    #[expect(unsafe_code, reason = "the system's call has no safe form")]
    fn members(&self) -> io::Result<Vec<u32>> {
        let mut told = Box::new(Members { assigned: 0, listed: 0, ids: [0; LISTED] });
        // SAFETY: the handle is open, and the pointer is to memory that outlives the call, has the layout of
        // `JOBOBJECT_BASIC_PROCESS_ID_LIST` with a longer list, and whose size is told.
        let known = unsafe {
            QueryInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectBasicProcessIdList,
                (&raw mut *told).cast(),
                size_of_u32::<Members>(),
                std::ptr::null_mut(),
            )
        };
        match worked(known) {
            Err(error) if !is(&error, ERROR_MORE_DATA) => Err(error),
            Ok(()) | Err(_) => {
                let listed = usize::try_from(told.listed).map_or(LISTED, |listed| listed.min(LISTED));
                Ok(told.ids[..listed].iter().filter_map(|&pid| u32::try_from(pid).ok()).collect())
            }
        }
    }
}

/// Lets a process go on that was started suspended.
#[expect(unsafe_code, reason = "the system's calls have no safe form")]
pub(super) fn resume(pid: u32) -> io::Result<()> {
    // The thread's own handle is not handed out by the standard library, so its threads are looked for.
    // SAFETY: takes two numbers.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) };
    if snapshot == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    let snapshot = owned(snapshot)?;
    let mut entry = THREADENTRY32 { dwSize: size_of_u32::<THREADENTRY32>(), ..THREADENTRY32::default() };
    // SAFETY: the handle is open, and the pointer is to a variable that says its own size.
    let mut told = worked(unsafe { Thread32First(snapshot.as_raw_handle(), &raw mut entry) });
    let mut resumed = false;
    while told.is_ok() {
        if entry.th32OwnerProcessID == pid {
            // SAFETY: takes numbers.
            let thread = owned(unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID) })?;
            // SAFETY: the handle is open.
            if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
                return Err(io::Error::last_os_error());
            }
            resumed = true;
        }
        // SAFETY: as for the first.
        told = worked(unsafe { Thread32Next(snapshot.as_raw_handle(), &raw mut entry) });
    }
    match told {
        Err(error) if !is(&error, ERROR_NO_MORE_FILES) => Err(error),
        Ok(()) | Err(_) if resumed => Ok(()),
        Ok(()) | Err(_) => Err(io::Error::other("the process has no thread to go on with")),
    }
}

/// When a running process began, in the system's own count. None: no process with this id runs.
#[expect(unsafe_code, reason = "the system's call has no safe form")]
pub(super) fn birth(pid: u32) -> Option<u64> {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION).ok()?;
    let mut code = 0;
    // SAFETY: the handle is open, and the pointer is to a variable that outlives the call.
    worked(unsafe { GetExitCodeProcess(process.as_raw_handle(), &raw mut code) }).ok()?;
    let [created, ..] = times(process.as_handle())?;
    (code == STILL_ACTIVE).then_some(created)
}

/// Processor time of a process.
fn ticks_of(pid: u32) -> Option<u64> {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION).ok()?;
    let [_, _, kernel, user] = times(process.as_handle())?;
    Some(kernel.saturating_add(user))
}

/// When it began and ended, and its processor time in the system and outside.
#[expect(unsafe_code, reason = "the system's call has no safe form")]
fn times(process: BorrowedHandle<'_>) -> Option<[u64; 4]> {
    let mut told = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut told;
    // SAFETY: the handle is open while it is borrowed, and each pointer is to a variable that outlives the call.
    let known = unsafe { GetProcessTimes(process.as_raw_handle(), created, exited, kernel, user) };
    worked(known).ok()?;
    Some(told.map(|time| (u64::from(time.dwHighDateTime) << 32) | u64::from(time.dwLowDateTime)))
}

#[expect(unsafe_code, reason = "the system's call has no safe form")]
fn is_console_host(pid: u32) -> bool {
    let Ok(process) = open(pid, PROCESS_QUERY_LIMITED_INFORMATION) else {
        return false;
    };
    let mut name = [0_u16; 1024];
    let mut length = 1024;
    // SAFETY: the handle is open, and the pointers are to an array, and to its length, that outlive the call.
    let known =
        unsafe { QueryFullProcessImageNameW(process.as_raw_handle(), 0, name.as_mut_ptr(), &raw mut length) };
    let length = usize::try_from(length).unwrap_or(0).min(name.len());
    worked(known).is_ok()
        && Path::new(&String::from_utf16_lossy(&name[..length]))
            .file_name()
            .is_some_and(|name| name.eq_ignore_ascii_case(CONSOLE_HOST))
}

#[expect(unsafe_code, reason = "the system's call has no safe form")]
fn open(pid: u32, rights: u32) -> io::Result<OwnedHandle> {
    // SAFETY: takes numbers.
    owned(unsafe { OpenProcess(rights, 0, pid) })
}

/// Takes over a handle that a call has given, or the error that it has left.
#[expect(unsafe_code, reason = "the system gives handles as bare pointers")]
fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the callers hand over what a call has just given to them alone, and that is closed by `CloseHandle`.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn worked(answer: i32) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error().and_then(|raw| u32::try_from(raw).ok()) == Some(code)
}

/// A size as the system takes it; all are small.
fn size_of_u32<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(0)
}
