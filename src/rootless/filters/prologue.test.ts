/**
 * What every filter says of other ways into the same kernel. On a kernel without x32, and behind a list of what is allowed, such a call fails
 * whatever the filter says. So the filters are not loaded here: their instructions are followed.
 */
import { expect, test } from 'bun:test'
import { argumentFilter, setIdFilter } from './argument-filter.ts'
import { networkFilter, resolverFilter } from './network-filter.ts'
import { shimFilter } from './shim-filter.ts'
import { syscallFilter } from './syscall-filter.ts'

/** From <linux/audit.h>. */
const [x86_64, i386, arm64] = [0xc000003e, 0x40000003, 0xc00000b7]
/** From <linux/seccomp.h>; an errno is in the lower half of its answer. */
const [allow, killProcess, fail] = [0x7fff0000, 0x80000000, 0x50000]
const ENOSYS = 38
const [read, socket] = [0, 41]
const x32 = 0x40000000

/** The answer to a call whose arguments are zeros: classic BPF, as far as filters of ours have it. */
function answer(filter: Buffer, call: { nr: number; arch: number }): number {
  let accumulator = 0
  for (let at = 0; ; at++) {
    const [code, k] = [filter.readUInt16LE(8 * at), filter.readUInt32LE(8 * at + 4)]
    const jump = (isTrue: boolean) => {
      at += filter.readUInt8(8 * at + (isTrue ? 2 : 3))
    }
    if (code === 0x06) return k
    else if (code === 0x20) accumulator = k === 0 ? call.nr : k === 4 ? call.arch : 0
    else if (code === 0x15) jump(accumulator === k)
    else if (code === 0x35) jump(accumulator >= k)
    else if (code === 0x45) jump((accumulator & k) !== 0)
    else throw new Error(`instruction ${code}`)
  }
}

test.each<[string, Buffer]>([
  ['of a jail', syscallFilter({ allowed: ['read'] })],
  ['of arguments', argumentFilter()],
  ['of set-id bits', setIdFilter()],
  ['of a network', networkFilter()],
  ['of a name server', resolverFilter()],
  ['of a shim', shimFilter()],
])('the filter %s holds on every way into the kernel', (_, filter) => {
  // Control: this is the way that it leaves open.
  expect(answer(filter, { nr: read, arch: x86_64 })).toBe(allow)
  for (const nr of [read, socket])
    for (const arch of [i386, arm64, 0]) expect(answer(filter, { nr, arch })).toBe(killProcess)
  for (const nr of [read, socket, 0x3fffffff])
    expect(answer(filter, { nr: x32 + nr, arch: x86_64 })).toBe(fail | ENOSYS)
})
