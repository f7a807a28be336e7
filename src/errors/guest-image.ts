/** Kernel, initrd and disk image of the guest. */
import { entry } from './entry.ts'

export const guestImageErrors = () => ({
  IMAGE_MISSING: entry(
    'failed_precondition',
    'there is no guest image in {cacheDir}',
    'Run `kata-ts guest build`, or set kernel= and initrd= in the configuration.',
  ),
  IMAGE_FILE_MISSING: entry(
    'failed_precondition',
    'the guest {what} {path} cannot be read ({reason})',
    'Check {what}= in the configuration; if it is not set, run `kata-ts guest build`.',
  ),
  IMAGE_CHECKSUM_MISMATCH: entry(
    'failed_precondition',
    '{path} changed after it was built: its checksum is {actual}, and {expected} was recorded',
    'Find out who changed the file. `kata-ts guest build` replaces a damaged image.',
  ),
  IMAGE_MANIFEST_CORRUPT: entry(
    'failed_precondition',
    'the guest image manifest {path} is damaged: {reason}',
    'Remove the directory that holds it and run `kata-ts guest build`.',
  ),
  IMAGE_KERNEL_FORMAT: entry(
    'failed_precondition',
    '{path} is not a kernel that a VMM can start directly: {reason}',
    'Give an uncompressed vmlinux with the PVH note, or leave kernel= empty and run `kata-ts guest build`.',
  ),
  IMAGE_INITRD_FORMAT: entry(
    'failed_precondition',
    '{path} is not an initrd: {reason}',
    'Give a newc cpio archive, plain or compressed, or leave initrd= empty and run `kata-ts guest build`.',
  ),
  IMAGE_DISK_FULL: entry(
    'resource_exhausted',
    'no space is left for the guest image in {path}',
    'Free about 250 MB on that file system, or name another cache directory, and run `kata-ts guest build` again.',
  ),
  IMAGE_CACHE_UNWRITABLE: entry(
    'permission_denied',
    'cannot write the guest image to {path} ({reason})',
    'Run `kata-ts guest build` as root, or name a cache directory that you may write.',
  ),
  IMAGE_CACHE_FOREIGN: entry(
    'invalid_argument',
    '{cacheDir} is neither empty nor a cache of guest images',
    'A build removes old files there: name a new directory, or an empty one.',
  ),
  IMAGE_PACKAGES_UNREACHABLE: entry(
    'unavailable',
    'cannot fetch Debian packages: {reason}',
    'Check the network, the proxy settings and /etc/apt/sources.list*, then run the same command again.',
  ),
  IMAGE_PACKAGE_UNKNOWN: entry(
    'failed_precondition',
    'apt knows no package {name}: {reason}',
    'The guest image needs the main section of Debian 13 or later on amd64 in /etc/apt/sources.list*.',
  ),
  IMAGE_PACKAGE_CONTENT: entry(
    'failed_precondition',
    'the Debian packages do not contain {name} ({reason})',
    'This version of kata-ts does not know these packages: use its latest version.',
  ),
  IMAGE_MODULE_UNKNOWN: entry(
    'invalid_argument',
    'the guest kernel {kernelRelease} has no module {name}',
    'Give the name of the file without .ko.xz. A driver that is built into the kernel needs no module.',
  ),
  IMAGE_SYSTEMD_SYMBOL: entry(
    'failed_precondition',
    "{program} of Debian needs {symbol} of libsystemd, which the guest's stub of that library does not have",
    'Add the symbol to libsystemd-stub.c and libsystemd-stub.map in src/guest-image/native and build again, or use the latest version of kata-ts.',
  ),
  IMAGE_TOOL_MISSING: entry('failed_precondition', 'the program {tool} is not installed', '{hint}'),
  IMAGE_TOOL_FAILED: entry('internal', '{tool} failed: {reason}', 'See the message of {tool}.'),
})
