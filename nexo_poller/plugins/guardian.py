"""A process between the daemon and a plugin, so that neither a plugin nor anything it started outlives the daemon.

Run as `python -I -S guardian.py CONTROL FOLDER COMMAND [ARG...]`, with the standard library alone, for it starts with
every plugin. `CONTROL` is the number of a pipe's reading end. The plugin's environment is that of ours whose names
begin with `+`: a `LD_LIBRARY_PATH` for the plugin does not decide what we load. Linux only.

Theory of operation. The plugin starts in a session of its own, and as a *subreaper* we become the parent of every
descendant whose own parent ends, whatever session or group it has moved to: so all of them stay findable below us, and
when we have no children left, nothing of the plugin is. It ends when

- the plugin has ended: what it left behind gets SIGTERM, and SIGKILL after `GRACE_SECS`;
- the control pipe is at its end, our parent is another, or a signal asks us: the daemon is gone, or as good as; the same;
- the daemon writes `K` into the pipe: SIGKILL at once. `T` is SIGTERM alone: how long it then waits is the daemon's.

PR_SET_PDEATHSIG could not guard against the daemon's end: it follows the thread that forked, and trio's threads end when
they are idle; and grandchildren do not inherit it. It does guard against ours, for we have one thread. The pipe alone
would not do either: a daemon that forks without an exec leaves copies of its end behind, hence the look at the parent.

We end as the plugin did, with its status or by its signal. A command that cannot be run is status 127, with words on
stderr.
"""

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECS = 1.0  # of the two seconds that a plugin may outlive its daemon
LOOK_SECS = 0.5  # how often to see whether the parent is still there
KILL_AGAIN_SECS = 0.01  # what forks while it is killed is found in the next round
CANNOT_RUN = 127  # as a shell has it

libc = ctypes.CDLL(None)


def main() -> None:
    """Run the plugin, see it off, end as it did."""
    control, folder, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    os.set_inheritable(control, False)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    bell = signal_bell()
    us, plugin = os.getpid(), os.fork()
    if plugin == 0:
        become(us, folder, command)
    nowhere = os.open(os.devnull, os.O_RDWR)  # the plugin alone holds its pipes, so that their ends mean something
    os.dup2(nowhere, sys.stdin.fileno())
    os.dup2(nowhere, sys.stdout.fileno())
    end_like(watch(plugin, control, bell))


def signal_bell() -> int:
    """A pipe that has the number of every signal we get, as a byte. Handlers of ours are no plugin's: exec drops them."""
    bell, rung = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(rung, False)
    signal.set_wakeup_fd(rung, warn_on_full_buffer=False)
    for one in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, lambda *_: None)
    return bell


def become(guardian: int, folder: str, command: list[str]) -> None:
    """Turn into the plugin; never returns."""
    try:
        os.setsid()
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guardian:  # it ended before we could ask to be told
            return
        for one in signal.valid_signals():  # Python ignores some, and a shell others for what it runs in the background
            if signal.getsignal(one) == signal.SIG_IGN:
                signal.signal(one, signal.SIG_DFL)
        os.chdir(folder)
        environment = {name[1:]: value for name, value in os.environb.items() if name.startswith(b"+")}
        os.execve(command[0], command, environment)  # noqa: S606 - there is to be no shell
    except OSError as error:
        os.write(2, f"cannot run '{command[0]}' in {folder}: {error.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(CANNOT_RUN)


def watch(plugin: int, control: int, bell: int) -> int:
    """Wait until nothing of the plugin is left; its wait status."""
    daemon, status, kill_at = os.getppid(), None, None
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(bell, select.POLLIN)
    while True:
        orders, heard = b"", b""
        for ready, _ in poll.poll(1_000 * (LOOK_SECS if kill_at is None else KILL_AGAIN_SECS)):
            if ready == bell:
                heard = os.read(bell, 1_024)
            elif not (orders := os.read(control, 1_024)):
                poll.unregister(control)
                orders = b"E"
        ended, is_childless = reaped()
        status = ended.get(plugin, status)
        if is_childless and status is not None:
            return status
        if b"T" in orders:
            signal_all(signal.SIGTERM)
        if b"K" in orders:
            kill_at = 0.0
        is_asked = b"E" in orders or any(number != signal.SIGCHLD for number in heard) or os.getppid() != daemon
        if kill_at is None and (is_asked or status is not None):
            signal_all(signal.SIGTERM)
            kill_at = time.monotonic() + GRACE_SECS
        if kill_at is not None and time.monotonic() >= kill_at:
            signal_all(signal.SIGKILL)


def reaped() -> tuple[dict[int, int], bool]:
    """The wait statuses of the children that have ended since, by process id; whether none is left."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, True
        if pid == 0:
            return ended, False
        ended[pid] = status


def signal_all(number: int) -> None:
    """Send a signal to everything below us: by groups, for whoever forks all the time is never where it was seen."""
    for group in groups_below(os.getpid()) - {os.getpgrp()}:  # ours has a plugin that is about to leave it, and us
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):  # it has ended, or has become another user's
            continue


def groups_below(ancestor: int) -> set[int]:
    """The process groups of everything below `ancestor`. Nobody else is in them: they are of other sessions."""
    children: dict[int, list[int]] = {}
    groups: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib takes longer to load than we may run
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - as above
                    _, parent, group, *_ = file.read().rpartition(b")")[2].split()  # before may be anything
            except (OSError, ValueError):  # ended meanwhile
                continue
            children.setdefault(int(parent), []).append(int(name))
            groups[int(name)] = int(group)
    found = [ancestor]
    for pid in found:  # which grows
        found += children.get(pid, ())
    return {groups[pid] for pid in found[1:]}


def end_like(status: int) -> None:
    """End with this wait status, and without the core that was the plugin's to leave."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if -code not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    os._exit(128 - code)  # as a shell has it


if __name__ == "__main__":
    main()
