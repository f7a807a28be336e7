/**
 * native/*.c: system calls without policy. Every function throws a {@link SysError} when its call fails, except
 * where a result is documented for "would block". Descriptors are close-on-exec.
 */
declare module 'syscalls' {
  /** What a failed call throws. */
  export interface SysError extends Error {
    readonly errno: number
    /** The name of the errno, for instance `ENOENT`. */
    readonly code: string
  }

  /** Called when a promise is rejected that has no handler, and again (`handled`) when it gets one after all. */
  export function onRejection(
    handler: (promise: Promise<unknown>, reason: unknown, handled: boolean) => void,
  ): void

  export function utf8Encode(text: string): Uint8Array<ArrayBuffer>
  export function utf8Decode(bytes: Uint8Array): string

  /** The whole file as text, read to its end (works for /proc and /sys, which have no size). */
  export function readFile(path: string): string
  /** One write(2) of the whole text; more only after one that took a part. `flags` are added to O_WRONLY; `mode` counts with O_CREAT. */
  export function writeFile(path: string, text: string, flags: number, mode: number): void
  /** Empty at the end of file; null when it would block. */
  export function read(fd: number, size: number): Uint8Array<ArrayBuffer> | null
  /**
   * How many bytes came, as many as there are until `bytes` has room for fewer than `least`: 0 at the end of the file; null when it would
   * block.
   */
  export function readInto(fd: number, bytes: Uint8Array, least: number): number | null
  /** How many bytes can be read of it now: FIONREAD. */
  export function available(fd: number): number
  /**
   * Moves up to `most` bytes that are in a pipe into a file, from `offset` on, in a thread of its own; what comes meanwhile goes, too. The file is
   * open, or -1 and opened by its path. A descriptor that can be read once that is over, for {@link endTransfer}.
   */
  export function takeOutput(pipe: number, file: number, path: string, offset: number, most: number): number
  /** Likewise moves `size` bytes of a file into a pipe, and waits for whoever reads that, `patience` milliseconds in all; 0 for ever. */
  export function bringInput(
    pipe: number,
    file: number,
    path: string,
    offset: number,
    size: number,
    patience: number,
  ): number
  /** Input waits no more: it is over soon, with ECANCELED. To be called before {@link endTransfer} alone. */
  export function cancelTransfer(descriptor: number): void
  /**
   * What came of it; closes the descriptor. `moved` bytes are in the file, or in the pipe: without an errno, 0 is the end of the pipe. `rest` is
   * the read end of a pipe with output that is not in the file and follows what is, or -1. `file` is open, or -1.
   */
  export function endTransfer(descriptor: number): [moved: number, errno: number, rest: number, file: number]
  /** How many bytes from `offset` on were taken until it would block; 0 when it does. */
  export function write(fd: number, bytes: Uint8Array, offset: number): number
  /** Writes all bytes at `position`. */
  export function pwrite(fd: number, bytes: Uint8Array, position: number): void
  /** Bytes from `position` on; fewer than `size` only at the end of the file. */
  export function pread(fd: number, size: number, position: number): Uint8Array<ArrayBuffer>
  export function open(path: string, flags: number, mode: number): number
  /** openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS: nothing in `path` leads out of `directory`. */
  export function openIn(directory: number, path: string, flags: number, mode: number): number
  /** The `*at` calls take one name without a slash; they do not follow a symbolic link in it. */
  export function mkdirat(directory: number, name: string, mode: number): void
  export function unlinkat(directory: number, name: string, flags: number): void
  export function symlinkat(directory: number, name: string, target: string): void
  export function renameat(directory: number, name: string, to: string): void
  export function lchownat(directory: number, name: string, uid: number, gid: number): void
  /** What is in a directory, but for `.` and `..`. Names that are no UTF-8 lead to their files all the same, in calls of this module. */
  export function names(path: string): string[]
  /** The same of the directories in it alone, without a look at each. */
  export function directories(path: string): string[]
  /** statvfs(3): fragment size in bytes, fragments, free ones, those free for users, nodes, free nodes. */
  export function fileSystem(
    path: string,
  ): [fragment: number, blocks: number, free: number, available: number, nodes: number, freeNodes: number]
  /**
   * Grows the ext4, xfs or btrfs that is mounted at `path` to `size` bytes. The pid of a child that does it, as it may take long:
   * its exit code is 0 or the errno.
   */
  export function growFileSystem(path: string, type: string, size: number): number
  /** sync(2): the pid of a child that does it, as it may take long. */
  export function syncFileSystems(): number
  /** syncfs(2) of the file system of the directory `path`: the pid of a child that does it. Its exit code is 0 or the errno. */
  export function syncFileSystem(path: string): number
  /** {@link mount} in a child, as a file system may have a long journal: its pid. Its exit code is 0 or the errno. */
  export function startMount(
    source: string,
    target: string,
    type: string,
    flags: number,
    data: string,
  ): number
  /** Opens each, and passes over what is no directory, in a child, as a server of files may never answer: its pid. */
  export function enterDirectories(paths: readonly string[]): number
  /** A device of the device mapper with one target, which can only be read: the minor number of its node `/dev/dm-N`. */
  export function mapDevice(name: string, sectors: number, type: string, parameters: string): number
  /** EBUSY while the device is open. */
  export function unmapDevice(name: string): void
  /** The name of an errno, for instance `EINVAL`. */
  export function nameErrno(errno: number): string
  export function fileSize(fd: number): number
  export function fchmod(fd: number, mode: number): void
  export function chmod(path: string, mode: number): void
  export function lchown(path: string, uid: number, gid: number): void
  /** A second descriptor of the same open file. */
  export function dup(fd: number): number
  export function close(fd: number): void
  /** [read end, write end]; it holds `capacity` bytes where the kernel gives it that. */
  export function pipe(capacity: number): [number, number]
  export function setNonblocking(fd: number): void

  export function mount(source: string, target: string, type: string, flags: number, data: string): void
  export function umount(target: string, flags: number): void
  export function chroot(path: string): void
  /** Opens `path` as descriptors 0, 1 and 2. */
  export function stdio(path: string): void
  export function setHostname(name: string): void
  export function interfaceUp(name: string): void
  /** finit_module(2) of an uncompressed .ko. */
  export function loadModule(path: string, parameters: string): void
  /** finit_module(2) of a .ko.xz: `size` bytes of an open file from `offset` on. */
  export function loadPackedModule(fd: number, offset: number, size: number, parameters: string): void
  /** A close-on-exec descriptor of a copy in memory that nobody can write to, root included; it can be run. */
  export function sealedCopy(path: string): number
  export function reboot(command: number): void
  export function sync(): void
  /** Sets the wall clock. */
  export function setClock(seconds: number, nanoseconds: number): void
  /** Credits the random pool with `bytes` and reseeds the generator from it. */
  export function addEntropy(bytes: Uint8Array): void
  /** RLIMIT_NOFILE. */
  export function limitFiles(soft: number, hard: number): void
  /** RLIMIT_NPROC and RLIMIT_SIGPENDING: as many as there may be. */
  export function unlimitUsers(): void

  /** execve(2): this process becomes another program. */
  export function execute(path: string, argv: readonly string[], env: readonly string[]): never
  /** Runs argv[0] in a new session with exactly these descriptors as 0, 1, 2, ...; its pid. */
  export function spawn(argv: readonly string[], env: readonly string[], fds: readonly number[]): number
  /** [pid, exit code or 128 + signal] of one ended child, or null when none has ended. */
  export function reap(): [number, number] | null
  /** Blocks SIGCHLD and ignores SIGPIPE; the descriptor is readable when a child has ended. */
  export function childSignals(): number
  export function kill(pid: number, signal: number): void

  export function epollCreate(): number
  export function epollControl(epoll: number, operation: number, fd: number, events: number): void
  /** What is ready now, flat: fd, events, fd, events, ... */
  export function epollWait(epoll: number): number[]

  export function listenUnix(path: string): number
  export function listenVsock(port: number): number
  /** A non-blocking connection, or null when none waits. One over vsock that is not the host's is refused. */
  export function accept(fd: number): number | null
  /** The descriptor that the next message carries, or null when there is no message yet. */
  export function receiveFd(socket: number): number | null
  /** A non-blocking socket. One for netlink takes what comes from the kernel alone. */
  export function openSocket(domain: number, type: number, protocol: number): number
  /** One whole datagram of at most `size` bytes, or null when there is none yet. EMSGSIZE when it is longer. */
  export function receive(fd: number, size: number): Uint8Array<ArrayBuffer> | null
  /** TIOCGPTPEER: the other side of the terminal whose master it is, never as the controlling terminal. */
  export function openPeer(master: number): number
  /** TIOCSWINSZ */
  export function setWindow(fd: number, rows: number, columns: number): void
}
