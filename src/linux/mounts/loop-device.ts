/** Loop devices (loop(4)): a regular file as a block device, for a program that cannot be given the open file. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { checked, libc, ptr, SyscallError } from '../libc.ts'

const SYS_ioctl = 16
const LOOP_CONFIGURE = 0x4c0a
const LOOP_CTL_GET_FREE = 0x4c82
const LOOP_SET_CAPACITY = 0x4c07
const LOOP_GET_STATUS64 = 0x4c05
/** struct loop_info64: device and inode number of the file at 0 and 8. */
const infoBytes = 232
const [LO_FLAGS_READ_ONLY, LO_FLAGS_AUTOCLEAR] = [1, 4]
/** struct loop_config: fd, block size, struct loop_info64 (flags at 52 of it), 8 reserved words. */
const configBytes = 304
const flagsOffset = 8 + 52
/** Others may take the free device between the asking and the taking. */
const maxTries = 16

export interface LoopDevice {
  readonly path: string
  /** `rdev` of stat(2). */
  readonly device: number
  /** Closes our descriptor; the device is free again once no other descriptor of it is open. */
  close(): void
}

/**
 * Makes a loop device of an open file. It frees itself with the last descriptor of it, so a crash leaves none.
 *
 * @throws SyscallError of open or ioctl: ENOENT when the kernel has no loop devices.
 */
export function openLoopDevice(file: number, { readonly }: { readonly: boolean }): LoopDevice {
  const control = openSync('/dev/loop-control', 'r+')
  try {
    for (let tries = 1; ; tries++) {
      const number = checked(ioctl(control, LOOP_CTL_GET_FREE, 0), 'LOOP_CTL_GET_FREE')
      const path = `/dev/loop${number}`
      const fd = openSync(path, readonly ? 'r' : 'r+')
      try {
        configure(fd, file, readonly)
        return { path, device: fstatSync(fd).rdev, close: () => closeSync(fd) }
      } catch (error) {
        closeSync(fd)
        if (!(error instanceof SyscallError && error.errno === 'EBUSY' && tries < maxTries)) throw error
      }
    }
  } finally {
    closeSync(control)
  }
}

/**
 * Has a loop device take the size that its file has by now.
 *
 * @throws SyscallError of open or ioctl: ENXIO when it has no file, EBADF when that is another one than `file`.
 */
export function resizeLoopDevice(path: string, file: { readonly dev: number; readonly ino: number }): void {
  const fd = openSync(path, 'r')
  try {
    const info = Buffer.alloc(infoBytes)
    checked(ioctl(fd, LOOP_GET_STATUS64, Number(ptr(info))), 'LOOP_GET_STATUS64')
    // Some file systems have inode numbers that stat(2) of node:fs rounds.
    const isSame = [file.dev, file.ino].every((value, at) => Number(info.readBigUInt64LE(8 * at)) === value)
    // A device that freed itself may belong to another user by now.
    if (!isSame) throw new SyscallError('LOOP_SET_CAPACITY', 'EBADF')
    checked(ioctl(fd, LOOP_SET_CAPACITY, 0), 'LOOP_SET_CAPACITY')
  } finally {
    closeSync(fd)
  }
}

function configure(loop: number, file: number, readonly: boolean): void {
  const config = Buffer.alloc(configBytes)
  config.writeUInt32LE(file, 0)
  config.writeUInt32LE(LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0), flagsOffset)
  checked(ioctl(loop, LOOP_CONFIGURE, Number(ptr(config))), 'LOOP_CONFIGURE')
}

function ioctl(fd: number, request: number, argument: number): bigint {
  return libc.syscall(SYS_ioctl, fd, request, argument, 0, 0, 0)
}
