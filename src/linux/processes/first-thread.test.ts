/** A process lives as long as one of its threads does. One that wants to be overlooked ends its first thread: /proc then calls it a zombie. */
import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { isAlive, processesOfUid, processRef, readStatus } from './proc.ts'
import { sessionMembers } from './session.ts'
import { killAndWait } from './signal.ts'
import { processesOfUids } from './uid-processes.ts'

/** Bun has threads more, and SYS_exit (60) ends the calling one alone. */
const program = `import { libc } from '${resolve(import.meta.dir, '../libc.ts')}'; libc.syscall(60, 0, 0, 0, 0, 0, 0)`

test('a process whose first thread has ended is alive, is found, and is ended', async () => {
  const child = Bun.spawn([process.execPath, '-e', program], { stdin: 'ignore' })
  const ref = processRef(child.pid)!
  try {
    const facts = () => readStatus(`/proc/${child.pid}/status`)
    while (!facts()?.get('State')?.startsWith('Z')) await Bun.sleep(5)
    expect(Number(facts()?.get('Threads'))).toBeGreaterThan(1)
    expect(isAlive(ref)).toBe(true)
    const uid = process.getuid!()
    expect(processesOfUid(uid)).toContain(child.pid)
    expect(processesOfUids(uid, uid).map(({ pid }) => pid)).toContain(child.pid)
    const session = Number((await Bun.file('/proc/self/stat').text()).split(') ')[1]!.split(' ')[3])
    expect(
      sessionMembers(processRef(session) ?? { pid: session, startTime: '' }).map(({ pid }) => pid),
    ).toContain(child.pid)
    expect(await killAndWait(ref)).toBe(true)
  } finally {
    child.kill('SIGKILL')
  }
  expect(isAlive(ref)).toBe(false)
  await child.exited
})

test('a zombie that nobody has waited for is not alive', async () => {
  const parent = Bun.spawn(['sh', '-c', 'sleep 60 & echo $!; exec sleep 60'], { stdout: 'pipe' })
  const { value } = await parent.stdout.getReader().read()
  const pid = Number(new TextDecoder().decode(value))
  // A shell may wait for a child that ended. From its exec on nobody does.
  while (readStatus(`/proc/${parent.pid}/status`)?.get('Name') !== 'sleep') await Bun.sleep(5)
  process.kill(pid, 'SIGKILL')
  while (!readStatus(`/proc/${pid}/status`)?.get('State')?.startsWith('Z')) await Bun.sleep(5)
  expect(isAlive(processRef(pid)!)).toBe(false)
  expect(processesOfUid(process.getuid!())).not.toContain(pid)
  parent.kill('SIGKILL')
  await parent.exited
})
