/** Pipes. Bound apart from libc.ts, so that a program which only needs this binds only this. */
import { dlopen, ptr } from 'bun:ffi'
import { closeSync, constants } from 'node:fs'
import { checked, libc } from '../libc.ts'

const O_CLOEXEC = 0o2000000
const F_SETFL = 4

const bind = () => dlopen('libc.so.6', { pipe2: { args: ['ptr', 'i32'], returns: 'i32' } }).symbols
let bound: ReturnType<typeof bind> | undefined

/** The two ends of a pipe, for somebody to close. */
export interface Pipe {
  readonly read: number
  readonly write: number
}

/** The end that we keep: the kernel never makes us wait at it (O_NONBLOCK). The other one is for a program, which may wait. */
type Ours = keyof Pipe

/** Makes three pipes that no program inherits by itself, or none. @throws SyscallError EMFILE, ENFILE. */
export function makeThreePipes(ours: [Ours, Ours, Ours] = ['write', 'write', 'write']): [Pipe, Pipe, Pipe] {
  const made: Pipe[] = []
  try {
    for (const end of ours) made.push(makePipe(end))
    return made as [Pipe, Pipe, Pipe]
  } catch (error) {
    for (const { read, write } of made) for (const end of [read, write]) closeSync(end)
    throw error
  }
}

/** A pipe that no program inherits by itself. @throws SyscallError EMFILE, ENFILE. */
export function makePipe(ours: Ours): Pipe {
  bound ??= bind()
  const ends = new Int32Array(2)
  checked(bound.pipe2(ptr(ends), O_CLOEXEC), 'pipe2')
  const [read = -1, write = -1] = ends
  const pipe = { read, write }
  checked(libc.fcntl(pipe[ours], F_SETFL, BigInt(constants.O_NONBLOCK)), 'fcntl of a pipe')
  return pipe
}
