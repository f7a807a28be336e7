import { expect, test } from 'bun:test'
import { isAlive, processRef, readProc } from './proc.ts'
import { processesOfUids } from './uid-processes.ts'

/** What a program says that uses up its descriptors and then asks for itself. */
function withoutDescriptors(code: string): string {
  const program = `
    import { isAlive, processRef, readProc } from '${import.meta.dir}/proc.ts'
    import { processesOfUids } from '${import.meta.dir}/uid-processes.ts'
    import { killAndWait } from '${import.meta.dir}/signal.ts'
    import { openSync, closeSync } from 'node:fs'
    const self = processRef(process.pid)
    const child = Bun.spawn(['/usr/bin/sleep', '60'])
    const ref = processRef(child.pid)
    const held = []
    try { for (;;) held.push(openSync('/dev/null')) } catch {}
    const name = ({ code, errno }) => (code === 'SYSCALL_FAILED' ? errno : code)
    const outcome = await Promise.resolve().then(() => ${code}).catch(name)
    for (const fd of held) closeSync(fd)
    child.kill('SIGKILL')
    console.log(String(outcome))
    process.exit(0)`
  const argv = ['/usr/bin/prlimit', '--nofile=128:128', process.execPath, '-e', program]
  const { stdout, stderr } = Bun.spawnSync(argv)
  return stdout.toString().trim() || stderr.toString()
}

test.each([
  ['is alive', 'isAlive(self)'],
  ['has a file', "readProc('/proc/self/stat')"],
  ['ends', 'killAndWait(ref, 100)'],
])('a process of which nobody can say whether it %s is not taken for one that is gone', (_, code) => {
  expect(withoutDescriptors(code)).toBe('EMFILE')
})

test('a process that is gone is', () => {
  const child = Bun.spawnSync(['/usr/bin/true'])
  const gone = { pid: child.pid, startTime: '1' }
  expect([isAlive(gone), processRef(2 ** 22), readProc(`/proc/${2 ** 22}/stat`)]).toEqual([
    false,
    undefined,
    undefined,
  ])
  expect(isAlive(processRef(process.pid)!)).toBe(true)
  expect(processesOfUids(process.getuid!(), process.getuid!()).map(({ pid }) => pid)).toContain(process.pid)
})
